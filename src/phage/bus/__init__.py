"""The way between roles: windows, findings, decisions, feedback."""
