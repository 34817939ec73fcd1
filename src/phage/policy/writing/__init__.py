"""Writing rule files: records back to YAML."""
