"""Reading rule files: YAML in, records out, every fault with its place."""
