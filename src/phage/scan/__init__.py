"""Files: samples are taken apart, scanned by many engines in a sandbox, and given a verdict."""
