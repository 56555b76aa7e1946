"""Everything that was made becomes one Capsule, graded."""
