"""Databases, one file an engine."""
