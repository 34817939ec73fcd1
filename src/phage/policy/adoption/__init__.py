"""Taking over other programs' files."""
