"""Faults on purpose, at real processes and servers, and the questions asked afterwards."""
