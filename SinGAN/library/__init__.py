"""SinGAN from Python: a model as an object, pictures as arrays or files."""
