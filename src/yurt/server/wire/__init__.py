"""Translation between the wire (`yurt.api.types`) and the engine's values; Docker's quirks end here."""
