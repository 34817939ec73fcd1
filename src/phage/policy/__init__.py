"""Policy: rules that people can read, what they decide, and what may never be decided."""
