"""Readers of the formats in which vulnerabilities are published; no I/O, one file a format."""
