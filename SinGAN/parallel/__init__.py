"""Jobs that run in parallel: one queue, on this machine or on a Ray cluster."""
