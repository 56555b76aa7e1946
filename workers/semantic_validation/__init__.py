"""A SourceTree is held against its Contract, before anything of it runs."""
