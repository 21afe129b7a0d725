"""Bytes on disk: whole files, locks, tensors that can't run code, folder names, downloads."""
