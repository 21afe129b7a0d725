"""Paired image translation: pictures of one kind made of another's (pix2pix, Isola et al. 2017)."""
