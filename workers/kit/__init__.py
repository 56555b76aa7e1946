"""The runtime of the stages: knows contracts, knows no stage."""
