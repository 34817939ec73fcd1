"""Vulnerabilities of devices: what is known of products, and which devices it concerns."""
