"""The processes: all the wiring stands here."""
