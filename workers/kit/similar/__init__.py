"""What went well before, found again by its meaning: past prompts and code samples of the same tenant, in Qdrant.

One process (`workers.observers learning`) holds the store; the others ask it over the bus.
"""
