"""Pictures without training, from a photo's own patches: the instant engine, and two published methods."""
