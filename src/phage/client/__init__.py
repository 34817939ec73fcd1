"""The REST API as Python calls, for the command line and for programs."""
