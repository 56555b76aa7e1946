"""A prompt becomes a Brief."""
