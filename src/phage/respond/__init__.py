"""Respond: carry decisions out, and keep what is in force equal to what was decided."""
