"""The configuration of the training of each scale."""

from dataclasses import dataclass

from SinGAN.losses.gan import WASSERSTEIN, AdversarialLoss


@dataclass(frozen=True)
class TrainConfig:
    """Iterations, optimizer steps, learning rates and the weights of the losses."""

    niter: int = 2000  # iterations per scale
    Gsteps: int = 3  # generator steps per iteration
    Dsteps: int = 3  # critic steps per iteration
    lr_g: float = 0.0005
    lr_d: float = 0.0005
    gamma: float = 0.1  # factor of both learning rates after 80 % of the iterations
    beta1: float = 0.5  # Adam's first beta
    lambda_grad: float = 0.1  # weight of the gradient penalty; 0: no penalty
    alpha: float = 10.0  # weight of the reconstruction loss
    noise_amp: float = 0.1  # noise amplitude for each unit of the coarser scales' error
    redraw_z_rec: bool = False  # draw z* again before every iteration, as the authors' code does, and save the last one
    noise_border: bool = False  # the noise covers the margin, too (animation)
    adversarial: AdversarialLoss = WASSERSTEIN
    train_depth: int = 3  # concurrent training: number of newest blocks that train together
    lr_scale: float = 0.1  # concurrent training: ratio of a block's learning rate to that of the next newer block
    recipe: str = "generation"  # concurrent training: what the coarsest input is, see ``concurrent.inputs``
    texture_weight: float = 0.0  # weight of the texture distance between sample and real image
    perceptual_weight: float = 0.0  # weight of the perceptual distance between reconstruction and real image
    feature_weight: float = 0.0  # weight of feature matching
    penalty: str = "gp"  # the gradient penalty, a key of ``terms.PENALTIES``

    @property
    def uses_vgg(self) -> bool:
        """Whether a loss compares activations of a VGG."""
        return bool(self.texture_weight or self.perceptual_weight)
