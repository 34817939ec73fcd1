"""Parts of the benchmark: synthetic traffic, the peer, live measurements."""
