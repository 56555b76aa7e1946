"""Stages, observers, the model router, the keeper, and the kit that runs them."""
