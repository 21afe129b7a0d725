"""The losses: each term once, under its name; the two nets with their optimizers; and one iteration of the game."""

GAN_NAMES = ("wgan-gp", "wgan", "vanilla", "lsgan", "hinge")  # of gan.GAN_MODES
