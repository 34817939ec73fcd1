"""Launchers of worker machines, one file each."""
