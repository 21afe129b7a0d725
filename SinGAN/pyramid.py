"""The pyramid of trained scales: drawing noise, generating, saving and loading."""

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from SinGAN.frozen import folded, in_strips
from SinGAN.functions import crop, pad, stretch
from SinGAN.imresize import imresize
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.planning import Size, enlarged
from SinGAN.storage.files import whole_file


@dataclass(frozen=True, eq=False)
class Scale:
    """One trained level of the pyramid; ``scale(noise, previous)`` gives its image."""

    generator: Generator
    discriminator: Discriminator
    real: Tensor  # (1, C, H, W), in [-1, 1]
    z_rec: Tensor  # (1, C, H + 2 m, W + 2 m): the noise that gives the image back
    noise_amp: float
    folded: Generator = field(init=False)  # what generates

    def __post_init__(self) -> None:
        for net in (self.generator, self.discriminator):
            net.eval().requires_grad_(False)
        object.__setattr__(self, "folded", folded(self.generator))

    def __call__(self, noise: Tensor, previous: Tensor) -> Tensor:
        """The image (B, C, H, W); ``noise`` and ``previous`` are (B or 1, C, H + 2 m, W + 2 m)."""
        return in_strips(self.folded, *self.folded.inputs(noise, self.z_rec, previous, self.noise_amp))

    @property
    def size(self) -> Size:
        return self.real.shape[-2], self.real.shape[-1]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """The trained scales, coarse to fine, and the one loop that generates (paper, Sect. 2)."""

    scales: tuple[Scale, ...]
    factor: float  # adjusted ratio of neighbouring scales
    margin: int  # zeros (or, with noise_border, noise) on each side of what a generator sees
    noise_border: bool = False  # the noise covers the margin too: animation's training

    def __len__(self) -> int:
        return len(self.scales)

    def with_scale(self, index: int, scale: Scale) -> "Pyramid":
        """The pyramid with ``scale`` put at ``index``; one past the finest makes it grow."""
        return replace(self, scales=(*self.scales[:index], scale, *self.scales[index + 1 :]))

    def below(self, index: int) -> "Pyramid":
        """The scales coarser than ``index``."""
        return replace(self, scales=self.scales[:index])

    def z_rec(self) -> list[Tensor]:
        """The noise maps that give the training image back."""
        return [scale.z_rec for scale in self.scales]

    def draw(
        self, rng: torch.Generator, count: int = 1, start: int = 0, enlargement: tuple[float, float] = (1, 1)
    ) -> list[Tensor]:
        """Noise maps for the scales ``start`` and finer, each (count, C, H + 2 m, W + 2 m).

        ``enlargement`` multiplies height and width. Samples are drawn one after the other, so that
        the first ones don't depend on ``count``.
        """
        samples = [self._draw_one(rng, start, enlargement) for _ in range(count)]
        return [torch.cat(maps) for maps in zip(*samples, strict=True)]

    def _draw_one(self, rng: torch.Generator, start: int, enlargement: tuple[float, float]) -> list[Tensor]:
        maps = []
        for index, scale in enumerate(self.scales[start:], start):
            size = enlarged(scale.size, enlargement)
            maps.append(self.draw_map(rng, scale.real, size, coarsest=index == 0))
        return maps

    def draw_map(self, rng: torch.Generator, like: Tensor, size: Size, coarsest: bool) -> Tensor:
        """Noise (1, C, H + 2 m, W + 2 m) for an image of ``size``; C and device are those of ``like``.

        At the coarsest scale one channel is repeated over all.
        """
        border = 2 * self.margin if self.noise_border else 0
        channels = like.shape[1]
        shape = (1, 1 if coarsest else channels, size[0] + border, size[1] + border)
        noise = torch.randn(shape, generator=rng, device=like.device).expand(-1, channels, -1, -1)
        return noise.contiguous() if self.noise_border else pad(noise, self.margin)

    @torch.no_grad()
    def generate(self, noise: Sequence[Tensor], previous: Tensor | None = None) -> Tensor:
        """The finest image (B, C, H, W) that ``noise`` makes, one map for each of the finest scales.

        Maps are (B or 1, C, H + 2 m, W + 2 m) and fix the size of what is made. The first scale
        that runs starts from ``previous`` (B or 1, C, H, W), or from zeros.
        """
        image = previous
        for index, (scale, z) in enumerate(zip(self.scales[len(self) - len(noise) :], noise, strict=True)):
            if image is None:
                image = scale(z, torch.zeros_like(z))
            else:
                image = scale(z, self.fit(image if index == 0 else self.enlarge(image), z))
        if image is None:
            raise ValueError("no noise maps, no image")
        return image

    def enlarge(self, image: Tensor) -> Tensor:
        """``up``: (B, C, H, W) resized by 1 / factor, not yet cropped."""
        return imresize(image, 1 / self.factor)

    def fit(self, image: Tensor, z: Tensor) -> Tensor:
        """``image`` (B, C, H, W) cropped and padded to the size of the noise map ``z``.

        Where it is too small for that (only at sizes other than the training image's), it is
        stretched bilinearly.
        """
        height, width = z.shape[-2:]
        inner = height - 2 * self.margin, width - 2 * self.margin
        return stretch(pad(crop(image, inner), self.margin), (height, width))

    def save(self, folder: Path) -> None:
        """Write the scales that ``folder`` lacks, then the lists, which make them count."""
        for index, scale in enumerate(self.scales):
            place = folder / str(index)
            if not all((place / name).exists() for name in ("netG.pth", "netD.pth")):
                _save(place / "netG.pth", scale.generator.state_dict())
                _save(place / "z_opt.pth", scale.z_rec)
                _save(place / "netD.pth", scale.discriminator.state_dict())
        _save(folder / "NoiseAmp.pth", [torch.tensor(scale.noise_amp) for scale in self.scales])
        _save(folder / "reals.pth", [scale.real for scale in self.scales])
        _save(folder / "Zs.pth", self.z_rec())

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device,
        factor: float,
        noise_border: bool = False,
        like: NetConfig = NetConfig(),
    ) -> "Pyramid":
        """Read what ``save`` wrote; nothing in ``folder`` can run code. What weights don't tell is as in ``like``.

        Raises:
            ValueError: a file is no checkpoint, or does not fit the others.
        """
        reals, z_rec = (read_list(folder / name, device, 4) for name in ("reals.pth", "Zs.pth"))
        amps = read_list(folder / "NoiseAmp.pth", device, 0)
        whole = trained_scales(folder)
        scales = []
        for index, (real, z, amp) in enumerate(zip(reals[:whole], z_rec, amps, strict=False)):
            place = folder / str(index)
            weights = read_weights(place / "netG.pth")
            generator = Generator(NetConfig.of(weights, replace(like, conditional=like.conditional and index > 0)))
            discriminator = Discriminator(generator.config)
            _fill(generator, weights, place / "netG.pth")
            _fill(discriminator, read_weights(place / "netD.pth"), place / "netD.pth")
            _check_fit(generator.config, real, z, folder, index)
            scales.append(Scale(generator.to(device), discriminator.to(device), real, z, float(amp)))
        if not scales:
            raise ValueError(f"{folder} holds no trained scale")
        return cls(tuple(scales), factor, scales[0].generator.config.margin, noise_border)


def read_list(path: Path, device: torch.device, dims: int) -> list[Tensor]:
    """The list of float tensors of ``dims`` dimensions in ``path``; single numbers count as tensors without any.

    Raises:
        ValueError: ``path`` holds something else.
    """
    found = load_checkpoint(path, device)
    tensors = []
    for entry in found if isinstance(found, list | tuple) else [None]:
        tensor = torch.tensor(float(entry)) if isinstance(entry, int | float) else entry
        if not isinstance(tensor, Tensor) or tensor.ndim != dims or not tensor.is_floating_point():
            raise ValueError(f"{path} does not hold a list of tensors of {dims} dimensions")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{path} holds numbers that are not finite")
        tensors.append(tensor.float().to(device))
    return tensors


def _check_fit(net: NetConfig, real: Tensor, z: Tensor, folder: Path, index: int) -> None:
    """Raise a ValueError unless the image and the noise of scale ``index`` are as large as its net needs."""
    height, width = real.shape[-2:]
    wanted = (1, net.channels, height + 2 * net.margin, width + 2 * net.margin)
    if real.shape != (1, net.channels, height, width) or z.shape != wanted:
        raise ValueError(
            f"{folder}: scale {index} does not fit its net: image {tuple(real.shape)}, noise {tuple(z.shape)}, "
            f"{net.channels} channels"
        )


def trained_scales(folder: Path) -> int:
    """How many scales of ``folder`` are whole: in the list that is written last, with both nets there."""
    last = folder / "Zs.pth"
    listed = len(read_list(last, torch.device("cpu"), 4)) if last.exists() else 0
    nets = (folder / str(index) / "netG.pth" for index in range(listed))
    return sum(itertools.takewhile(bool, (net.exists() and net.with_name("netD.pth").exists() for net in nets)))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in ``path``.

    Raises:
        ValueError: ``path`` holds something else.
    """
    state = load_checkpoint(path, torch.device("cpu"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} does not hold the weights of a net")
    return dict(state)


def _fill(net: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the other files: {error}") from error


def load_checkpoint(path: Path, device: torch.device) -> Any:
    """The tensors in ``path``; loading can't run code.

    Raises:
        ValueError: ``path`` is damaged or holds something else.
    """
    content = io.BytesIO(path.read_bytes())
    try:
        return torch.load(content, map_location=device, weights_only=True)
    except Exception as error:  # damaged bytes make torch raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged or no checkpoint ({reason})") from error


def _save(path: Path, value: object) -> None:
    buffer = io.BytesIO()
    torch.save(value, buffer)  # onto a full disk it would raise a RuntimeError, not an OSError
    with whole_file(path) as draft:
        draft.write_bytes(buffer.getvalue())
