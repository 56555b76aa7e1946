"""A Contract becomes the Docs that go with the package."""
