"""The blueprint model: a rule-based generator that reads free English and writes a real Python project."""
