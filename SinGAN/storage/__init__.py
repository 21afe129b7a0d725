"""Bytes on disk: atomic writes, locks, crash recovery, safe tensor files, checkpoints, folder names, downloads."""
