"""Devices: who is on our network, what they are, and how each of them behaves."""
