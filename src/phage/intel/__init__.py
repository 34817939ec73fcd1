"""Threat intelligence: what others report, held so that packets can be matched against it."""
