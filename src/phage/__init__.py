"""phage: an immune system for networks."""
