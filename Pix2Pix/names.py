"""The words that options are chosen from; this module stays light, so that -h and a typo are answered at once."""

NORMS = ("batch", "instance", "none")
STOCHASTIC = ("dropout", "weights", "none")
INITIAL = ("normal", "xavier", "kaiming", "orthogonal")
NETS = ("unet_32", "unet_64", "unet_128", "unet_256", "unet_512", "resnet_6blocks", "resnet_9blocks")
CRITICS = ("patch", "pixel", "multiscale", "sesame", "none")
CRITICS_ALSO = {"basic": "patch", "n_layers": "patch", "sesam": "sesame"}
"""Other programs' names of critics."""
GAMES = ("vanilla", "lsgan", "hinge", "wgan", "wgan-gp")
GAMES_ALSO = {"original": "vanilla", "ls": "lsgan", "w": "wgan-gp", "wgangp": "wgan-gp"}
"""Other programs' names of games."""
PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")
AUGMENT = ("none", "tps")
STUDIES = ("batch_size", "perceptual", "gan_mode", "critic", "stochastic")
