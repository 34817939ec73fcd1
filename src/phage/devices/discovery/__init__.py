"""Active discovery: who is there and what they serve, asked for gently."""
