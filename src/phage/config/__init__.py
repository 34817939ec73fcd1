"""Settings: one YAML file, typed, every key documented."""
