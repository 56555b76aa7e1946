"""A Contract's packages become a Lock."""
