"""Feeds: one file for each source."""
