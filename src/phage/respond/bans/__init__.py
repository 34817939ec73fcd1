"""Bans in phage's own table: from decisions to elements of sets and the rules that ask them."""
