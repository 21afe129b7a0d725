"""Many pictures at once: processes of this machine, or a Ray cluster."""
