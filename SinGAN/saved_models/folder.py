"""A pyramid as a folder, named and laid out as the authors' code does: written scale by scale, read whole."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from SinGAN.concurrent.pyramid import pyramid_of
from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.planning import scale_seed
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage.files import discard, entries, regular, whole_file
from SinGAN.storage.hashes import digest, sha256
from SinGAN.storage.tensors import load_list, load_weights, reading, save
from SinGAN.variants.build import build_critic, build_generator
from SinGAN.variants.growing import block_margin

NETS = "netG.pth", "netD.pth"
LISTS = "Zs.pth", "reals.pth", "NoiseAmp.pth"  # of the model, the one that is written last first
KEPT = {*NETS, "z_opt.pth"}  # in the folder of a scale; a compact model lacks some
HASHES = "hashes.json"  # of a scale: of its files, and of its entries in the lists


def save_pyramid(pyramid: Pyramid[TrainedScale], folder: Path, *, sealed: bool = True) -> None:
    """Write into ``folder`` the scales that it lacks, then the lists: a scale counts once it is in them.

    Where the folder is not ``sealed`` yet, see ``Manifest``, all scales are written.
    """
    for index, scale in enumerate(pyramid.scales):
        place = folder / str(index)
        if not sealed or not _is_whole(place):
            save(place / "netG.pth", scale.generator.state_dict())
            save(place / "z_opt.pth", scale.z_rec)
            if scale.discriminator is not None:
                save(place / "netD.pth", scale.discriminator.state_dict())
            _write_hashes(place, _entries(scale.real, scale.z_rec, torch.tensor(scale.noise_amp)))
    _save_lists(pyramid, folder, pyramid.z_rec())


def save_compact(pyramid: Pyramid[TrainedScale], folder: Path, seed: int) -> None:
    """Write ``pyramid``, trained with ``seed``, into the new ``folder``, without what only training needs.

    The critics go, and of a generator that grows the nets of all stages but the last, which holds their blocks.
    Convolutions are kept in half precision. A noise map that ``seed`` gives again is kept as an empty one.
    """
    maps = []
    for index, scale in enumerate(pyramid.scales):
        place, net = folder / str(index), scale.generator.config
        if not net.stages or scale is pyramid.scales[-1]:
            weights = scale.generator.state_dict()
            save(place / "netG.pth", {name: w.half() if w.ndim == 4 else w for name, w in weights.items()})
        drawn = planned_map(net, scale.real, index, seed).to(scale.z_rec.device)
        maps.append(scale.z_rec.new_empty(1, 1, 0, 0) if torch.equal(scale.z_rec, drawn) else scale.z_rec)
        _write_hashes(place, _entries(scale.real, maps[-1], torch.tensor(scale.noise_amp)))
    _save_lists(pyramid, folder, maps)


def _save_lists(pyramid: Pyramid[TrainedScale], folder: Path, z_rec: list[Tensor]) -> None:
    """Write the lists of ``pyramid``, with the maps ``z_rec``."""
    save(folder / "NoiseAmp.pth", [torch.tensor(scale.noise_amp) for scale in pyramid.scales])
    save(folder / "reals.pth", [scale.real for scale in pyramid.scales])
    save(folder / "Zs.pth", z_rec)


def map_shape(net: NetConfig, real: Tensor, index: int) -> tuple[int, int, int, int]:
    """The shape of the noise for scale ``index`` of the image ``real`` (1, C, H, W)."""
    margin, channels = net.margin, net.channels
    if net.stages:
        margin, channels = (block_margin(net) * net.noisy_margins, net.filters) if index else (0, net.channels)
    return 1, channels, real.shape[-2] + 2 * margin, real.shape[-1] + 2 * margin


def planned_map(net: NetConfig, real: Tensor, index: int, seed: int) -> Tensor:
    """The noise that gives ``real`` back, as training with ``seed`` on a CPU makes it at all scales but the first.

    It is none, or noise where the generator grows.
    """
    shape = map_shape(net, real, index)
    if not net.stages:
        return torch.zeros(shape)
    return torch.randn(shape, generator=torch.Generator().manual_seed(scale_seed(seed, index)))


def load_pyramid(
    folder: Path,
    device: torch.device,
    factor: float,
    noise_border: bool = False,
    like: NetConfig = NetConfig(),
    *,
    seed: int = 0,
    sealed: bool = True,
    recipe: str = "generation",
) -> Pyramid[TrainedScale]:
    """The pyramid of the whole scales in ``folder``, on ``device``; nothing in ``folder`` can run code.

    Arguments:
        folder: of the model.
        device: where the tensors are put.
        factor: adjusted ratio of neighbouring scales.
        noise_border: whether the noise covers the margin, too.
        like: the nets' options that their weights don't tell.
        seed: of the training, which gives again the noise that a compact model is kept without.
        sealed: whether each scale has hashes, see ``Manifest``.
        recipe: of a generator that grows.

    Raises:
        ValueError: a file is damaged, no checkpoint or does not fit the others, or no scale is whole.
    """
    reals, z_rec = (load_list(folder / name, device, 4) for name in ("reals.pth", "Zs.pth"))
    amps = load_list(folder / "NoiseAmp.pth", device, 0)
    whole = trained_scales(folder, sealed=sealed)
    for name, entries_there in (("reals.pth", reals), ("NoiseAmp.pth", amps)):
        if len(entries_there) < whole:
            raise ValueError(f"{folder / name} is damaged: it holds {len(entries_there)} of {whole} scales")
    scales = []
    for index, (real, z, amp) in enumerate(zip(reals[:whole], z_rec, amps, strict=False)):
        place = folder / str(index)
        if sealed:
            _check_hashes(place, _entries(real, z, amp))
        config = replace(like, conditional=like.conditional and index > 0)
        generator, discriminator = _read_nets(place, config, folder / str(whole - 1))
        if not z.numel():
            z = planned_map(generator.config, real, index, seed).to(device)
        _check_fit(generator.config, real, z, folder, index)
        for net in filter(None, (generator, discriminator)):
            net.to(device)
        scales.append(TrainedScale.of(generator, discriminator, real, z, float(amp)))
    if not scales:
        raise ValueError(f"{folder} holds no trained scale")
    return pyramid_of(tuple(scales), factor, scales[0].generator.config, noise_border, recipe)


def trained_scales(folder: Path, *, sealed: bool = True) -> int:
    """The number of whole scales in ``folder``: in the list that is written last, and with all that a scale has."""
    last = folder / "Zs.pth"
    listed = len(load_list(last, torch.device("cpu"), 4)) if last.exists() else 0
    places = (folder / str(index) for index in range(listed))
    whole = (_is_whole(place) if sealed else all((place / name).exists() for name in NETS) for place in places)
    return sum(itertools.takewhile(bool, whole))


def _is_whole(place: Path) -> bool:
    """Whether a scale's folder ``place`` holds the nets that its hashes name: compact models keep few."""
    if not (place / HASHES).exists():
        return False
    named = regular(place / HASHES).read_text(errors="replace")
    return all((place / name).exists() or f'"{name}"' not in named for name in NETS)


def forget_scales(folder: Path) -> None:
    """Remove all scales from ``folder``, the list that makes them count first."""
    for name in LISTS:
        (folder / name).unlink(missing_ok=True)
    for place in entries(folder):
        if place.name.isdecimal():
            discard(place)


def _entries(real: Tensor, z_rec: Tensor, noise_amp: Tensor) -> dict[str, str]:
    """The digests of a scale's entries in the lists, by the lists' names."""
    return {name: digest(value.float()) for name, value in zip(LISTS, (z_rec, real, noise_amp), strict=True)}


def _write_hashes(place: Path, listed: dict[str, str]) -> None:
    """Write the hashes of a scale's files in ``place`` and of its entries ``listed`` in the lists."""
    present = [name for name in sorted(KEPT) if (place / name).exists()]
    files = {name: sha256((place / name).read_bytes()) for name in present}
    with whole_file(place / HASHES) as draft:
        draft.write_text(json.dumps({**files, **listed}, indent=1) + "\n")


def _check_hashes(place: Path, listed: dict[str, str]) -> None:
    """Raise a ValueError where a file in ``place``, or an entry ``listed``, is not what was written with the scale."""
    file = place / HASHES
    with reading(file):
        hashes = dict(json.loads(regular(file).read_text()))
    if hashes.keys() | KEPT != KEPT | listed.keys():
        raise ValueError(f"{file} is damaged: it does not name the files of a scale")
    actual = {name: sha256(regular(place / name).read_bytes()) for name in hashes if name not in listed}
    for name, value in {**actual, **listed}.items():
        if value != hashes[name]:
            path = place.parent / name if name in listed else place / name
            raise ValueError(f"{path} is damaged: it is not what was written with scale {place.name} ({file})")


def _read_nets(place: Path, like: NetConfig, last: Path) -> tuple[Generator, Discriminator | None]:
    """The nets in ``place``; a generator that grows may be kept in the ``last`` scale's folder alone.

    Nothing as large as they claim to be is made before their weights are known to be so.
    """
    if not (place / "netG.pth").exists() and like.stages:
        return _grown_so_far(_read_nets(last, like, last)[0], int(place.name)), None
    names = [name for name in NETS if (place / name).exists()]
    states = [load_weights(place / name) for name in names]
    with reading(place / "netG.pth"):
        config = NetConfig.of(states[0], like)
        with torch.device("meta"):
            nets = build_generator(config), build_critic(config)
    for net, state, name in zip(nets, states, names, strict=False):
        _check_weights(net, state, place / name)
    generator, discriminator = build_generator(config), build_critic(config)
    generator.load_state_dict(states[0])
    if len(states) == 1:
        return generator, None
    discriminator.load_state_dict(states[1])
    return generator, discriminator


def _grown_so_far(generator: Generator, index: int) -> Generator:
    """The blocks of ``generator``, which grew, up to that of stage ``index``."""
    state, result = generator.state_dict(), build_generator(replace(generator.config, stages=index + 1))
    result.load_state_dict({name: state[name] for name in result.state_dict()})
    return result


def _check_weights(net: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Raise a ValueError unless ``state``, read from ``path``, has the names and shapes of the weights of ``net``."""
    wanted = net.state_dict()
    if differing := sorted(wanted.keys() ^ state.keys()):
        raise ValueError(f"{path} does not fit the other files: {differing[0]} is in one of them only")
    for name, value in wanted.items():
        if value.shape != state[name].shape:
            raise ValueError(
                f"{path} does not fit the other files: {name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
            )
        if value.is_floating_point() != state[name].is_floating_point():
            raise ValueError(f"{path} does not fit the other files: {name} holds {state[name].dtype}")


def _check_fit(net: NetConfig, real: Tensor, z: Tensor, folder: Path, index: int) -> None:
    """Raise a ValueError unless the image and the noise of scale ``index`` are as large as its net needs."""
    if real.shape[:2] != (1, net.channels) or z.shape != map_shape(net, real, index):
        raise ValueError(
            f"{folder}: scale {index} does not fit its net: image {tuple(real.shape)}, noise {tuple(z.shape)}, "
            f"{net.channels} channels"
        )
