"""An Frd becomes Requirements."""
