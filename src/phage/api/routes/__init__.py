"""Routes, one file a noun: each has a `router`, which `phage.api.app` finds by itself."""
