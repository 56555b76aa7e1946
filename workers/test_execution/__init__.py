"""The tests are run against the code, in the sandbox."""
