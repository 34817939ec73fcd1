"""Who may ask and change what: users, sessions, tokens, roles, and the log of every change."""
