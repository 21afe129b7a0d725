"""A pyramid as a folder, named and laid out as the authors' code does: written scale by scale, read whole."""

import itertools
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from SinGAN.models import NetConfig
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.tensors import load_list, load_weights, save
from SinGAN.variants.build import build_critic, build_generator


def save_pyramid(pyramid: Pyramid[TrainedScale], folder: Path) -> None:
    """Write into ``folder`` the scales that it lacks, then the lists: a scale counts once it is in them."""
    for index, scale in enumerate(pyramid.scales):
        place = folder / str(index)
        if not all((place / name).exists() for name in ("netG.pth", "netD.pth")):
            save(place / "netG.pth", scale.generator.state_dict())
            save(place / "z_opt.pth", scale.z_rec)
            save(place / "netD.pth", scale.discriminator.state_dict())
    save(folder / "NoiseAmp.pth", [torch.tensor(scale.noise_amp) for scale in pyramid.scales])
    save(folder / "reals.pth", [scale.real for scale in pyramid.scales])
    save(folder / "Zs.pth", pyramid.z_rec())


def load_pyramid(
    folder: Path, device: torch.device, factor: float, noise_border: bool = False, like: NetConfig = NetConfig()
) -> Pyramid[TrainedScale]:
    """The pyramid of the whole scales in ``folder``, on ``device``; nothing in ``folder`` can run code.

    Arguments:
        folder: of the model.
        device: where the tensors are put.
        factor: adjusted ratio of neighbouring scales.
        noise_border: whether the noise covers the margin, too.
        like: the nets' options that their weights don't tell.

    Raises:
        ValueError: a file is no checkpoint or does not fit the others, or no scale is whole.
    """
    reals, z_rec = (load_list(folder / name, device, 4) for name in ("reals.pth", "Zs.pth"))
    amps = load_list(folder / "NoiseAmp.pth", device, 0)
    whole = trained_scales(folder)
    scales = []
    for index, (real, z, amp) in enumerate(zip(reals[:whole], z_rec, amps, strict=False)):
        place = folder / str(index)
        weights = load_weights(place / "netG.pth")
        generator = build_generator(NetConfig.of(weights, replace(like, conditional=like.conditional and index > 0)))
        discriminator = build_critic(generator.config)
        _fill(generator, weights, place / "netG.pth")
        _fill(discriminator, load_weights(place / "netD.pth"), place / "netD.pth")
        _check_fit(generator.config, real, z, folder, index)
        scales.append(TrainedScale.of(generator.to(device), discriminator.to(device), real, z, float(amp)))
    if not scales:
        raise ValueError(f"{folder} holds no trained scale")
    return Pyramid(tuple(scales), factor, scales[0].generator.config.margin, noise_border)


def trained_scales(folder: Path) -> int:
    """The number of whole scales in ``folder``: in the list that is written last, and with both nets."""
    last = folder / "Zs.pth"
    listed = len(load_list(last, torch.device("cpu"), 4)) if last.exists() else 0
    nets = (folder / str(index) / "netG.pth" for index in range(listed))
    return sum(itertools.takewhile(bool, (net.exists() and net.with_name("netD.pth").exists() for net in nets)))


def _check_fit(net: NetConfig, real: Tensor, z: Tensor, folder: Path, index: int) -> None:
    """Raise a ValueError unless the image and the noise of scale ``index`` are as large as its net needs."""
    height, width = real.shape[-2:]
    z_shape = (1, net.channels, height + 2 * net.margin, width + 2 * net.margin)
    if real.shape != (1, net.channels, height, width) or z.shape != z_shape:
        raise ValueError(
            f"{folder}: scale {index} does not fit its net: image {tuple(real.shape)}, noise {tuple(z.shape)}, "
            f"{net.channels} channels"
        )


def _fill(net: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the other files: {error}") from error
