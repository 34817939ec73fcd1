"""What rules mean: who, what and when is meant."""
