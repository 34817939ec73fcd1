"""Identifiers: each reads some kinds of observation."""
