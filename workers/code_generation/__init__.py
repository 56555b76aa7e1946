"""A Contract becomes a SourceTree."""
