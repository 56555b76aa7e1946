"""Puts the system on a machine: the embedded stack, images and their settings."""
