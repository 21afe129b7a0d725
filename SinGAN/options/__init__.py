"""Every option once: its name, type, range, default and help."""
