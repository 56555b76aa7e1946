"""The functions that generated libraries are made of, by topic; SAMPLES says what they answer."""
