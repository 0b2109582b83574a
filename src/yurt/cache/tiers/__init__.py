"""Where cached values are kept; each tier fulfils `yurt.cache.ports.Tier`."""
