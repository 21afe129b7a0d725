"""Every option once: its name, type, range, default and help; flags, manifests and checks are made from these."""
