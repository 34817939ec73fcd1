"""The terminal viewer: `phage top`."""
