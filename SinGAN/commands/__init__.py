"""A paragraph for each command: what it does with a run and its options."""
