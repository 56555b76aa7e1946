"""Words and what they mean here: data only."""
