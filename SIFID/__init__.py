"""Measures of a single-image model: SIFID, diversity, copies, patch statistics; FID and its kin for sets."""
