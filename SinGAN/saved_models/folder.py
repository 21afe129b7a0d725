"""A pyramid written as a folder, named and laid out as the authors' code does, scale by scale."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.kinds.singan import SinGANKind
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.files import check_regular, discard, list_entries, write_json
from SinGAN.storage.hashes import digest, sha256
from SinGAN.storage.tensors import save

NETS = "netG.pth", "netD.pth"
LISTS = "Zs.pth", "reals.pth", "NoiseAmp.pth"  # of the model, the one that is written last first
KEPT = {*NETS, "z_opt.pth"}  # in the folder of a scale; a compact model lacks some
HASHES = "hashes.json"  # of a scale: of its files, and of its entries in the lists


def save_pyramid(
    pyramid: Pyramid[TrainedScale], folder: Path, *, sealed: bool = True, extras: Mapping[str, Tensor] | None = None
) -> None:
    """Write the scales and ``extras`` that ``folder`` lacks, then the lists: a scale counts once it is in them.

    Where the folder is not ``sealed`` yet, see ``Manifest``, all scales are written.
    """
    _save_extras(extras or {}, folder)
    for index, scale in enumerate(pyramid.scales):
        place = folder / str(index)
        if not sealed or not is_whole(place, hashes_in(place)):
            save(place / "netG.pth", scale.generator.state_dict())
            save(place / "z_opt.pth", scale.z_rec)
            if scale.discriminator is not None:
                save(place / "netD.pth", scale.discriminator.state_dict())
            listed = list_digests(scale.z_rec, scale.real, torch.tensor(scale.noise_amp))
            _write_hashes(place, listed | extra_digests(extras or {}, index))
    _save_lists(pyramid, folder, pyramid.z_rec())


def save_compact(pyramid: Pyramid[TrainedScale], folder: Path, kind: SinGANKind, seed: int) -> None:
    """Write ``pyramid``, trained with ``seed``, into the new ``folder``, without the parts that only training needs.

    The critics go, and the generators that are a part of the finest scale's. Convolutions are saved in half precision.
    A noise map that ``seed`` gives again is saved as an empty one.
    """
    extras = kind.extras(pyramid)
    _save_extras(extras, folder)
    finest, maps = pyramid.scales[-1], []
    for index, scale in enumerate(pyramid.scales):
        place = folder / str(index)
        if scale is finest or kind.coarser_generator(finest.generator, index) is None:
            weights = scale.generator.state_dict()
            save(place / "netG.pth", {name: w.half() if w.ndim == 4 else w for name, w in weights.items()})
        drawn = kind.planned_noise(scale.generator.config, scale.real, index, seed).to(scale.z_rec.device)
        maps.append(scale.z_rec.new_empty(1, 1, 0, 0) if torch.equal(scale.z_rec, drawn) else scale.z_rec)
        listed = list_digests(maps[-1], scale.real, torch.tensor(scale.noise_amp))
        _write_hashes(place, listed | extra_digests(extras, index))
    _save_lists(pyramid, folder, maps)


def _save_extras(extras: Mapping[str, Tensor], folder: Path) -> None:
    """Write the ``extras`` of a kind of model that ``folder`` lacks."""
    for name, value in extras.items():
        if not (folder / name).exists():
            save(folder / name, value)


def extra_digests(extras: Mapping[str, Tensor], index: int) -> dict[str, str]:
    """The digests of ``extras`` by name if ``index`` is 0, because the hashes of scale 0 hold them; else none."""
    return {} if index else {name: digest(value) for name, value in extras.items()}


def _save_lists(pyramid: Pyramid[TrainedScale], folder: Path, z_rec: list[Tensor]) -> None:
    """Write the lists of ``pyramid``, with the maps ``z_rec``."""
    save(folder / "NoiseAmp.pth", [torch.tensor(scale.noise_amp) for scale in pyramid.scales])
    save(folder / "reals.pth", [scale.real for scale in pyramid.scales])
    save(folder / "Zs.pth", z_rec)


def hashes_in(place: Path) -> str | None:
    """The text of a scale's file of hashes in ``place``; None where there is none."""
    return check_regular(place / HASHES).read_text(errors="replace") if (place / HASHES).exists() else None


def is_whole(place: Path, hashes: str | None) -> bool:
    """Whether a scale's folder ``place`` holds the nets that its ``hashes`` name: compact models keep few."""
    return hashes is not None and all((place / name).exists() or f'"{name}"' not in hashes for name in NETS)


def forget_scales(folder: Path) -> None:
    """Remove all scales from ``folder``, the list that makes them count first."""
    for name in LISTS:
        (folder / name).unlink(missing_ok=True)
    for place in list_entries(folder):
        if place.name.isdecimal():
            discard(place)


def list_digests(z_rec: Tensor, real: Tensor, noise_amp: Tensor) -> dict[str, str]:
    """The digests of a scale's entries in the lists, by the lists' names."""
    return {name: digest(value.float()) for name, value in zip(LISTS, (z_rec, real, noise_amp), strict=True)}


def _write_hashes(place: Path, listed: dict[str, str]) -> None:
    """Write the hashes of a scale's files in ``place`` and of its entries ``listed`` in the lists."""
    present = [name for name in sorted(KEPT) if (place / name).exists()]
    files = {name: sha256((place / name).read_bytes()) for name in present}
    write_json(place / HASHES, {**files, **listed})
