"""Ways in by the protocols of other programs, one file each."""
