"""Measurements, printed as a table: `make bench`. Nothing here asserts a time."""
