"""Raw netlink to the kernel's packet filter: messages, transactions, bulk elements."""
