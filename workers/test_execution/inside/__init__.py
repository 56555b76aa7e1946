"""Programs that run in the sandbox beside the code under test: standard library, pytest and coverage only."""
