"""A plain training iteration, written as the authors' code works: the baseline of all measured speeds.

Same nets, losses and updates as ``SinGAN.losses.iteration``, without its gains: every resize goes through numpy on the
host, each critic step draws its own sample of the coarser scales one by one, the generator's graph is built for the
critic steps too, each loss has its own backward pass, and the generator steps compute the critic's gradients, too.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SinGAN.functions import crop, pad
from SinGAN.losses.terms import Target
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Discriminator, Generator
from SinGAN.pyramid import Pyramid, TrainedScale


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x**3 - 2.5 * x**2 + 1) * (x <= 1)
    far = (-0.5 * x**3 + 2.5 * x**2 - 4 * x + 2) * ((x > 1) & (x <= 2))
    return np.asarray(near + far)


def resize_axis(image: np.ndarray, axis: int, scale: float) -> np.ndarray:
    """``image`` enlarged along ``axis`` by ``scale``: each output pixel is a weighted sum of six taps."""
    length = image.shape[axis]
    centres = (np.arange(math.ceil(scale * length)) + 0.5) / scale - 0.5
    taps = np.floor(centres - 2)[:, None] + np.arange(6)
    weights = cubic(centres[:, None] - taps) * (taps >= 0)
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    field_of_view = mirror[np.mod(taps.astype(int), 2 * length)]
    moved = np.swapaxes(image, axis, 0)
    summed = np.sum(moved[field_of_view.T] * weights.T[:, :, None, None], axis=0)
    return np.swapaxes(summed, axis, 0)


def host_resize(image: Tensor, scale: float) -> Tensor:
    """``image`` (1, C, H, W) enlarged by ``scale`` as ``imresize`` does, but in numpy, on the CPU."""
    levels = (255 * ((image[0].permute(1, 2, 0).cpu().numpy() + 1) / 2).clip(0, 1)).astype(np.uint8)
    resized = resize_axis(resize_axis(levels.astype(np.float64), 0, scale), 1, scale)
    enlarged = torch.from_numpy(resized / 255).permute(2, 0, 1)[None].float().to(image.device)
    return ((enlarged - 0.5) * 2).clamp(-1, 1)


@dataclass(eq=False)
class Baseline:
    """The nets of one scale, with all that a plain iteration needs."""

    pyramid: Pyramid[TrainedScale]
    target: Target
    z_rec: Tensor
    generator: Generator
    critic: Discriminator
    config: TrainConfig
    rng: torch.Generator

    def __post_init__(self) -> None:
        betas = (self.config.beta1, 0.999)
        self.generator_adam = torch.optim.Adam(self.generator.train().parameters(), lr=self.config.lr_g, betas=betas)
        self.critic_adam = torch.optim.Adam(self.critic.train().parameters(), lr=self.config.lr_d, betas=betas)

    def draw_coarser(self) -> Tensor:
        """A sample (1, C, H + 2 m, W + 2 m) of the coarser scales, enlarged and padded."""
        real, pyramid = self.target.real, self.pyramid
        if not pyramid.scales:
            return torch.zeros_like(self.z_rec)
        image: Tensor | None = None
        with torch.no_grad():
            for index, scale in enumerate(pyramid.scales):
                z = pyramid.draw_map(self.rng, scale.real, scale.size, coarsest=index == 0)
                previous = torch.zeros_like(z) if image is None else pad(crop(image, scale.size), pyramid.margin)
                image = host_resize(scale(z, previous), 1 / pyramid.factor)
        assert image is not None
        return pad(crop(image, (real.shape[-2], real.shape[-1])), pyramid.margin)

    def iteration(self) -> tuple[float, float]:
        """Three critic and three generator steps; returns the critic's and the generator's last loss."""
        target, config, real = self.target, self.config, self.target.real
        size = (real.shape[-2], real.shape[-1])
        noise = self.pyramid.draw_map(self.rng, real, size, coarsest=not self.pyramid.scales)
        for _ in range(config.Dsteps):
            self.critic.zero_grad()
            loss_real = -self.critic(real).mean()
            loss_real.backward(retain_graph=True)
            previous = self.draw_coarser()
            fake = self.generator((target.noise_amp * noise + previous).detach(), previous)
            loss_fake = self.critic(fake.detach()).mean()
            loss_fake.backward(retain_graph=True)
            penalty = self.penalty(fake.detach())
            penalty.backward()
            self.critic_adam.step()
            loss_critic = loss_real + loss_fake + penalty
        for _ in range(config.Gsteps):
            self.generator.zero_grad()
            fake = self.generator((target.noise_amp * noise + previous).detach(), previous)
            adversarial = -self.critic(fake).mean()
            adversarial.backward(retain_graph=True)
            z = target.noise_amp * self.z_rec + target.reconstruction
            rebuilt = self.generator(z.detach(), target.reconstruction)
            reconstruction = config.alpha * F.mse_loss(rebuilt, real)
            reconstruction.backward(retain_graph=True)
            self.generator_adam.step()
        return loss_critic.item(), (adversarial + reconstruction).item()

    def penalty(self, fake: Tensor) -> Tensor:
        """The weighted gradient penalty, a scalar, of ``fake`` (1, C, H, W) and the real image."""
        real = self.target.real
        mix = torch.rand(1, 1, generator=self.rng, device=real.device).expand(real.size())
        mixed = (mix * real + (1 - mix) * fake).requires_grad_()
        scores = self.critic(mixed)
        (slope,) = torch.autograd.grad(
            scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True, only_inputs=True
        )
        penalty: Tensor = ((slope.norm(2, dim=1) - 1) ** 2).mean() * self.config.lambda_grad
        return penalty
