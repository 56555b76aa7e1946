"""The same twelve steps on other engines, each as its documentation recommends for throughput. They keep checkpoints,
no artifact, no fact on a bus: less than our pipeline does."""
