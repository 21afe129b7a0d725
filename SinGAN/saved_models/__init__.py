"""A trained model as a folder: its manifest, its weights, and the folders that the authors' code wrote."""
