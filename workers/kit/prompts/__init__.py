"""How a model is told what to do, and how its text is read: system prompts, the block of inputs, fenced files."""
