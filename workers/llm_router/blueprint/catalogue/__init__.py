"""The functions that generated libraries are made of, by topic. Each module's SAMPLES says what its functions answer."""
