"""The config of each scale's training."""

from dataclasses import dataclass

from SinGAN.losses.gan import WASSERSTEIN, AdversarialLoss


@dataclass(frozen=True)
class TrainConfig:
    """Iterations, steps, learning rates and the weights of the losses."""

    niter: int = 2000  # iterations per scale
    Gsteps: int = 3  # generator steps per iteration
    Dsteps: int = 3  # critic steps per iteration
    lr_g: float = 0.0005
    lr_d: float = 0.0005
    gamma: float = 0.1
    beta1: float = 0.5
    lambda_grad: float = 0.1  # weight of the gradient penalty; 0: none
    alpha: float = 10.0  # weight of the reconstruction loss
    noise_amp: float = 0.1  # noise amplitude for each unit of the previous scale's error
    redraw_z_rec: bool = False  # the authors' code: z* anew in every iteration, the last one kept
    noise_border: bool = False  # animation: the noise covers the margin too
    adversarial: AdversarialLoss = WASSERSTEIN
    train_depth: int = 3  # concurrent: so many of the newest blocks train together
    lr_scale: float = 0.1  # concurrent: the learning rate of a block for each unit of the next newer one's
    recipe: str = (
        "generation"  # concurrent: what G's coarsest input is in training, a recipe's name: see ``concurrent.inputs``
    )
    texture_weight: float = 0.0  # weight of the fake's texture distance
    perceptual_weight: float = 0.0  # weight of the reconstruction's perceptual distance

    @property
    def uses_vgg(self) -> bool:
        """Whether a loss compares the activations of a VGG."""
        return bool(self.texture_weight or self.perceptual_weight)
