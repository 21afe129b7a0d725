"""Settings compared."""
