"""Logs: lines of services become events, by patterns that are data."""
