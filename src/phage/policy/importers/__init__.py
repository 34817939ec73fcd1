"""Importers: one file for each foreign format of rules and settings."""
