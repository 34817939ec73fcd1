"""The enforcer: the small process that may change the kernel's packet filter, and nothing else."""
