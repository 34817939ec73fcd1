"""Learning what is normal."""
