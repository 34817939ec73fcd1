"""Detection: from windows to findings."""
