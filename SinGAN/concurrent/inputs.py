"""The input of the first stage of a growing generator: noise, or the picture with random changes.

A net for harmonization or editing learns to restore the picture from a changed one (Hinz et al. 2021, Sect. 4; their
code).
"""

import hashlib
from collections.abc import Callable

import numpy as np
import skimage as ski
import torch
from torch import Tensor

RANDOM = ("generation", "retarget")  # recipes whose input is noise
EDITING, HARMONIZATION = "editing", "harmonization"
JITTER = 0.1  # of the noise on an edit
MOVES = {1: ((0.2, 0.5), (0.05, 0.15)), 2: ((0.15, 0.3), (0.05, 0.1)), 3: ((0.1, 0.2), (0.05, 0.1))}
MOVES |= {4: ((0.1, 0.15), (0.05, 0.1)), 5: ((0.1, 0.15), (0.05, 0.1))}
"""By the number of rectangles: the range of their sides, and that of how far they move, in parts of the picture."""
SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


class Dice:
    """Random decisions, taken on the CPU, from a generator of tensors."""

    def __init__(self, rng: torch.Generator) -> None:
        self.rng, self.host = rng, host_generator(rng)

    def between(self, low: float, high: float) -> float:
        """A number of [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.host))

    def below(self, count: int) -> int:
        """A number of 0 .. count - 1."""
        return int(torch.randint(count, (), generator=self.host))

    def happens(self, share: float) -> bool:
        """True with the probability ``share``."""
        return self.between(0, 1) < share

    def normal(self, like: Tensor) -> Tensor:
        """Gaussian noise of the shape of ``like``."""
        return torch.randn(like.shape, generator=self.rng, device=like.device)


def host_generator(rng: torch.Generator) -> torch.Generator:
    """``rng`` itself, or, of another device, a generator of the CPU whose seed follows from the state of ``rng``.

    The device is not waited for: the state of its generator is known to the host.
    """
    if rng.device.type == "cpu":
        return rng
    digest = hashlib.sha256(rng.get_state().numpy().tobytes()).digest()
    torch.empty(1, device=rng.device).uniform_(generator=rng)  # the next seed is another one
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def first_z_rec(real: Tensor, recipe: str, rng: torch.Generator, animated: bool) -> Tensor:
    """The input (1, C, H, W) of the first stage that gives ``real`` back: itself, with noise for editing, or noise."""
    if animated:
        return torch.randn(real.shape, generator=rng, device=real.device)
    return real + JITTER * Dice(rng).normal(real) if recipe == EDITING else real.clone()


def coarsest_input(real: Tensor, recipe: str, rng: torch.Generator) -> Tensor:
    """An input (1, C, H, W) of the first stage in training, of the picture ``real`` (1, C, H, W), in [-1, 1]."""
    dice = Dice(rng)
    if recipe == EDITING:
        return move_rectangles(real, dice) + JITTER * dice.normal(real)
    return disguise(real, dice) if recipe == HARMONIZATION else dice.normal(real)


def move_rectangles(real: Tensor, dice: Dice) -> Tensor:
    """``real`` (1, C, H, W) with one to five rectangles moved."""
    result, size = real.clone(), real.shape[-2:]
    count = 1 + dice.below(len(MOVES))
    sides, ways = MOVES[count]
    for _ in range(count):
        extents = [max(1, round(dice.between(*sides) * length)) for length in size]
        places = [dice.below(length - extent + 1) for length, extent in zip(size, extents, strict=True)]
        steps = [round(dice.between(*ways) * length) * (1 if dice.happens(0.5) else -1) for length in size]
        targets = [
            min(max(place + step, 0), length - extent)
            for place, step, length, extent in zip(places, steps, size, extents, strict=True)
        ]
        (top, left), (height, width), (down, along) = places, extents, targets
        result[..., down : down + height, along : along + width] = real[..., top : top + height, left : left + width]
    return result


def disguise(real: Tensor, dice: Dice) -> Tensor:
    """``real`` (1, C, H, W) with other colours (probability 0.25), then with holes of one colour (probability 0.9)."""
    image = (real + 1) / 2
    if dice.happens(0.25):
        kinds: tuple[Callable[[Tensor, Dice], Tensor], ...] = (add_noise, invert_or_tint, change_channels, shift_hue)
        image = kinds[dice.below(len(kinds))](image, dice)
    if dice.happens(0.9):
        count, least, most = ((1, 30, 60), (2, 15, 30))[dice.below(2)]
        for _ in range(count):
            extents = [min(round(dice.between(least, most)), length - 1) for length in image.shape[-2:]]
            top, left = (dice.below(length - extent) for length, extent in zip(image.shape[-2:], extents, strict=True))
            colour = torch.rand((image.shape[1], 1, 1), generator=dice.rng, device=image.device)
            image = image.clone()
            image[..., top : top + extents[0], left : left + extents[1]] = colour
    return image.clamp(0, 1) * 2 - 1


def add_noise(image: Tensor, dice: Dice) -> Tensor:
    """``image`` in [0, 1] with multiplicative noise (seldom) or Gaussian noise of two kinds."""
    kind = dice.below(3)
    if kind == 0:
        factors = torch.rand(image.shape, generator=dice.rng, device=image.device) + 0.5
        return image * factors if dice.happens(0.2) else image
    deviation = dice.between(0.01, 0.05) if kind == 1 else dice.between(10, 50) ** 0.5 / 255
    return image + deviation * dice.normal(image)


def invert_or_tint(image: Tensor, dice: Dice) -> Tensor:
    """``image`` in [0, 1] as a negative or in sepia; a grey one always as a negative."""
    if dice.happens(0.5) or image.shape[1] < 3:
        return 1 - image
    brown = torch.einsum("ij,bjhw->bihw", torch.tensor(SEPIA).to(image), image[:, :3])
    return torch.cat([brown, image[:, 3:]], dim=1)


def change_channels(image: Tensor, dice: Dice) -> Tensor:
    """``image`` in [0, 1] with one colour channel removed, or the channels in another order."""
    colours = min(3, image.shape[1])
    if dice.happens(0.5):
        kept = torch.ones(image.shape[1], 1, 1, device=image.device)
        kept[dice.below(colours)] = 0
        return image * kept
    order = torch.randperm(colours, generator=dice.rng, device=dice.rng.device)
    return torch.cat([image[:, order], image[:, colours:]], dim=1)


def shift_hue(image: Tensor, dice: Dice) -> Tensor:
    """``image`` in [0, 1] with hue, saturation and value shifted (seldom); a grey one stays."""
    if image.shape[1] < 3 or not dice.happens(0.1):
        return image
    shifts = [dice.between(-20, 20) / 180, dice.between(-30, 30) / 255, dice.between(-20, 20) / 255]
    colours = image[0, :3].clamp(0, 1).movedim(0, -1).cpu().numpy()
    values = ski.color.rgb2hsv(colours) + np.array(shifts, dtype=np.float32)
    values[..., 0] %= 1
    shifted = torch.from_numpy(ski.color.hsv2rgb(values.clip(0, 1))).to(image).movedim(-1, 0)[None]
    return torch.cat([shifted, image[:, 3:]], dim=1)
