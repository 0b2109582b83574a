"""Clients of other languages, which drive an engine as people's tools do: `scripts/clients`."""
