"""What controller and enforcer say to each other: typed messages, strictly read."""
