"""How complex a SourceTree is, function by function."""
