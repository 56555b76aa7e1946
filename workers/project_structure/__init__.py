"""Requirements become a Contract."""
