"""The nets of pairs."""
