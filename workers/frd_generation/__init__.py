"""A Brief becomes an Frd."""
