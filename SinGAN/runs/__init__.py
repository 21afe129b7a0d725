"""One picture, one request: find, resume or train its model, record it, and tell how far it is."""
