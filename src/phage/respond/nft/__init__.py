"""phage's own table in nftables: its layout, and the static rules in it."""
