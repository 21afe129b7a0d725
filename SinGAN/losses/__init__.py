"""The losses: their terms by name, the two networks with their optimizers, and one iteration of training."""

GAN_NAMES = ("wgan-gp", "wgan", "vanilla", "lsgan", "hinge")  # keys of gan.GAN_MODES
PENALTY_NAMES = ("gp", "one_sided", "r1")  # keys of terms.PENALTIES
