"""A model provider on loopback, real to its callers: the wire formats of seven makers, faults by plan."""
