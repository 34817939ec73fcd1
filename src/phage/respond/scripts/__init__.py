"""Running an operator's own programs: whether they are safe to run, how, and what was run."""
