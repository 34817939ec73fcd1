"""What this machine depends on, and who administers it."""
