"""Declarations of all options: name, type, range, default and help. Flags, manifests and checks follow from them."""
