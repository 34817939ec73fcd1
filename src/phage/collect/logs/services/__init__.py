"""The services whose lines are known, one file each: `SERVICE` says what they look like."""
