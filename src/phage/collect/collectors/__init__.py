"""Collectors, one file each."""
