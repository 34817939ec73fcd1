"""Pages, one file a noun: each has a `router`, which `phage.web.dashboard` finds by itself."""
