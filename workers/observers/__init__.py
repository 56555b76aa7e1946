"""Observers follow events by durables of their own and wake no stage: `python -m workers.observers NAME`."""
