"""Queues of scanning jobs, one file each."""
