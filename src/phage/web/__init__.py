"""The dashboard: pages that the server renders, and the few files that they load."""
