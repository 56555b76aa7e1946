"""Which test cases a package gets, whatever its kind; the kinds say how each is written."""
