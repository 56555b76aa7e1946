"""A workflow's history, from the stream alone: read it, then make a timeline of it."""
