"""Notify: tell people and programs what was found and decided."""
