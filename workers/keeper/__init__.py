"""The keeper: provisions streams and durables, and notices when the stream was lost. `python -m workers.keeper`."""
