"""The commands below `phage import`, one file each."""
