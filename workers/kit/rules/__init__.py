"""What the checks of several stages have in common; each raises `Unfit` with a sentence that names the culprit."""
