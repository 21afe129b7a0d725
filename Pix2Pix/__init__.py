"""Paired image translation: pictures of one kind from pictures of another (pix2pix, Isola et al. 2017)."""
