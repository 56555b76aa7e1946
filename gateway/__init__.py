"""The faces: HTTP, CLI. Thin: it validates, publishes the first event, and reads."""
