"""A TestPlan becomes a TestSuite."""
