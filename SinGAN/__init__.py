"""SinGAN: a generative model learned from one single image (Rott Shaham et al., ICCV 2019)."""

__version__ = "0.1.0"
