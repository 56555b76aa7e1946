"""How the system tells what it is doing: logs, traces, metric names."""
