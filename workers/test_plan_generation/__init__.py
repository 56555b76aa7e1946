"""A Contract and its Requirements become a TestPlan."""
