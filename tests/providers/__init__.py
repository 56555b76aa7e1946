"""A model provider on loopback, real to its callers: OpenAI's, Azure's and Anthropic's wire formats, faults by plan."""
