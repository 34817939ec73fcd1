"""Fakes, traffic builders and conformance checks, for plug-in authors too."""
