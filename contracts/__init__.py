"""The language of the bus: topology, events, artifacts, subjects. Imports the standard library and msgspec only."""
