"""A saved model: the one handle for its folder, opened once and passed on."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from SinGAN.models import Discriminator, Generator, NetConfig
from SinGAN.options.tasks import TRAIN, Task
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.folder import HASHES, KEPT, LISTS, NETS, extra_digests, hashes_in, is_whole, list_digests
from SinGAN.saved_models.manifest import UNKNOWN, Manifest
from SinGAN.storage.files import check_regular, keep_inside, links_in, list_entries, suggest_name
from SinGAN.storage.hashes import digest, sha256
from SinGAN.storage.recovery import recover_if_free
from SinGAN.storage.tensors import check_fit, load, load_list, load_weights, reading
from SinGAN.variants.build import build_critic, build_generator

CPU = torch.device("cpu")
NO_LONGER = (
    "`niter` can't be raised afterwards: each scale was trained on the images of the finished ones below it, so all "
    "would be trained again;"
)
DIMENSIONS = {"Zs.pth": 4, "reals.pth": 4, "NoiseAmp.pth": 0}  # of the tensors in the lists


@dataclass(frozen=True)
class ModelFolder:
    """A model in a folder, whole or with only some of its scales trained; each of its files is read once, when needed.

    It shows the folder as it was when it was opened: open it again after a change.
    """

    folder: Path
    manifest: Manifest
    _lists: dict[str, list[Tensor]] = field(default_factory=dict, repr=False, compare=False)
    _hashes: list[str | None] = field(default_factory=list, repr=False, compare=False)  # texts, by scale

    @classmethod
    def find(cls, folder: Path) -> "ModelFolder | None":
        """The model in ``folder``; None where there is no folder, or nothing in it.

        Raises:
            ValueError: its manifest or its lists are damaged, or a link leads out of it.
        """
        if all(path.name.startswith(".") for path in list_entries(folder)):
            return None
        keep_inside(folder, links_in(folder))
        model = cls(folder, Manifest.read(folder))
        _ = model.scales  # now: a damaged list is an error of opening
        return model

    @classmethod
    def open(cls, folder: Path) -> "ModelFolder":
        """The model in ``folder``, after crash recovery.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged.
        """
        recover_if_free(folder)
        model = cls.find(folder)
        if model is None:
            raise FileNotFoundError(f"no trained model in {folder}{_others(folder)}")
        return model

    @property
    def planned(self) -> int:
        """The number of scales that it is to have."""
        return len(self.manifest.sizes)

    @cached_property
    def scales(self) -> int:
        """The number of whole scales: in the list that is written last, and with all that a scale has."""
        listed = len(self._list("Zs.pth")) if (self.folder / "Zs.pth").exists() else 0
        places = (self.folder / str(index) for index in range(listed))
        return sum(itertools.takewhile(bool, map(self._is_whole, places)))

    @property
    def digest(self) -> str:
        """A SHA-256 that differs between models, of what is read anyway: the hashes of files, else the noise."""
        return digest([self.scales, self._hashes if self.manifest.is_sealed else self._list("Zs.pth")])

    @property
    def is_whole(self) -> bool:
        """Whether all its scales are trained."""
        return self.scales == self.planned

    def check_same(self, asked: Manifest, seed_matters: bool = False) -> None:
        """Raise a ValueError unless the model has the options, the picture and the task that are ``asked``.

        Where ``seed_matters``, it must have the seed, too.
        """
        if differences := self.manifest.differences_from(asked, seed_matters):
            longer = any(text.startswith("`niter` ") for text in differences)
            why = f"{NO_LONGER} " if longer else ""
            raise ValueError(
                f"{self.folder} holds another model: {'; '.join(differences)}. {why}"
                "`overwrite` replaces it; another `out` keeps both"
            )

    def load(self, device: torch.device, task: Task | None = TRAIN) -> Pyramid[TrainedScale]:
        """The pyramid of the whole model, which must be trained for ``task``; None: for any task.

        Raises:
            ValueError: it is incomplete or damaged, or trained for another task.
        """
        manifest = self.manifest
        if task is not None and manifest.task not in (task.name, UNKNOWN):
            raise ValueError(
                f"the model in {self.folder} is trained for {manifest.task}, not for {task.name}: name another one"
            )
        if not self.is_whole:
            raise ValueError(
                f"the model in {self.folder} is incomplete, {self.scales} of {self.planned} scales: "
                "train it to its end with the command that began it"
            )
        try:
            like = manifest.net_options()
        except ValueError as error:
            raise ValueError(f"{self.folder}: {error}") from error
        return self.pyramid(device, like, manifest.noise_border or bool(task and task.noise_border))

    def pyramid(self, device: torch.device, like: NetConfig, noise_border: bool) -> Pyramid[TrainedScale]:
        """The pyramid of the whole scales; ``like`` has the nets' options that can't be inferred from their weights.

        Raises:
            ValueError: a file is damaged, no checkpoint or does not fit the others, or no scale is whole.
        """
        if not self.scales:
            raise ValueError(f"{self.folder} holds no trained scale")
        for name in ("reals.pth", "NoiseAmp.pth"):
            if len(self._list(name)) < self.scales:
                raise ValueError(
                    f"{self.folder / name} is damaged: it holds {len(self._list(name))} of {self.scales} scales"
                )
        kind, scales = self.manifest.kind_of_model, list[TrainedScale]()
        finest: Generator | None = None  # whose parts are the generators of other scales
        for index in range(self.scales):
            z, real, amp = (self._list(name)[index] for name in LISTS)
            place, contents = self.folder / str(index), self._contents(index)
            config = replace(like, conditional=like.conditional and index > 0)
            if "netG.pth" in contents:
                generator, critic = read_nets(place, contents, config)
            else:
                finest = finest or self._finest(config)
                part, critic = kind.coarser_generator(finest, index), None
                if part is None:
                    raise ValueError(f"{place / 'netG.pth'} is missing: train again with `overwrite`")
                generator = part
            planned = kind.planned_noise(generator.config, real, index, self.manifest.seed)
            noise = z if z.numel() else planned
            if real.shape[:2] != (1, generator.config.channels) or noise.shape != planned.shape:
                raise ValueError(
                    f"{self.folder}: scale {index} does not fit its net: image {tuple(real.shape)}, "
                    f"noise {tuple(noise.shape)}, {generator.config.channels} channels"
                )
            for net in filter(None, (generator, critic)):
                net.to(device)
            scales.append(TrainedScale.of(generator, critic, real.to(device), noise.to(device), float(amp)))
        shape = scales[0].generator.config
        layers = self.manifest.layers_of_pictures
        if layers is not None and layers.count != shape.channels:
            raise ValueError(f"{self.folder} is damaged: nets of {shape.channels} channels, {layers.count} described")
        plain = Pyramid(tuple(scales), self.manifest.factor, shape.margin, noise_border, layers is not None)
        return kind.pyramid(plain, shape, self.manifest.options, self._extras)

    @cached_property
    def _extras(self) -> dict[str, Tensor]:
        """The tensors that the kind of model has beside its scales, by the names of their files."""
        found = {name: load(self.folder / name, CPU) for name in self.manifest.kind_of_model.extra_files}
        for name, value in found.items():
            if not isinstance(value, Tensor):
                raise ValueError(f"{self.folder / name} is damaged: it holds no tensor")
        return found

    def _list(self, name: str) -> list[Tensor]:
        """The tensors in the list ``name`` of the model."""
        if name not in self._lists:
            self._lists[name] = load_list(self.folder / name, CPU, DIMENSIONS[name])
        return self._lists[name]

    def _is_whole(self, place: Path) -> bool:
        """Whether the scale in ``place``, to be asked for coarse to fine, has all its files."""
        if not self.manifest.is_sealed:
            return all((place / name).exists() for name in NETS)
        self._hashes.append(hashes_in(place))
        return is_whole(place, self._hashes[-1])

    def _contents(self, index: int) -> dict[str, bytes]:
        """The bytes of the files of scale ``index``, by name: those that were written with it, or its nets."""
        place = self.folder / str(index)
        if not self.manifest.is_sealed:
            return {name: check_regular(place / name).read_bytes() for name in NETS if (place / name).exists()}
        file, listed = place / HASHES, list_digests(*(self._list(name)[index] for name in LISTS))
        listed |= extra_digests(self._extras, index)
        with reading(file):
            hashes = dict(json.loads(self._hashes[index] or ""))
        if hashes.keys() | KEPT != KEPT | listed.keys():
            raise ValueError(f"{file} is damaged: it does not name the files of a scale")
        contents = {name: check_regular(place / name).read_bytes() for name in hashes if name not in listed}
        for name, value in {**{name: sha256(content) for name, content in contents.items()}, **listed}.items():
            if value != hashes[name]:
                path = self.folder / name if name in listed else place / name
                raise ValueError(
                    f"{path} is damaged: it has changed since it was written with scale {place.name} ({file})"
                )
        return contents

    def _finest(self, like: NetConfig) -> Generator:
        """The generator of the finest whole scale."""
        place = self.folder / str(self.scales - 1)
        with reading(place / "netG.pth"):
            contents = {"netG.pth": check_regular(place / "netG.pth").read_bytes()}
        return read_nets(place, contents, like)[0]


def read_nets(place: Path, contents: Mapping[str, bytes], like: NetConfig) -> tuple[Generator, Discriminator | None]:
    """The nets of a scale from the ``contents`` of the files in ``place``; a compact model has no critic.

    Nothing as large as they claim to be is allocated before their weights are known to be so.
    """
    names = [name for name in NETS if name in contents]
    states = [load_weights(place / name, contents[name]) for name in names]
    with reading(place / names[0]):
        config = NetConfig.of(states[0], like)
        with torch.device("meta"):
            nets = build_generator(config), build_critic(config)
    for net, state, name in zip(nets, states, names, strict=False):
        try:
            check_fit(state, net.state_dict())
        except ValueError as error:
            raise ValueError(f"{place / name} does not fit the other files: {error}") from error
    generator, critic = build_generator(config), build_critic(config)
    generator.load_state_dict(states[0])
    if len(states) == 1:
        return generator, None
    critic.load_state_dict(states[1])
    return generator, critic


def _others(folder: Path) -> str:
    """The remedy where there is no model in ``folder``: train it, or name another one."""
    places = folder.parent.glob("scale_factor=*,alpha=*")
    settings = sorted(place.name for place in places if ModelFolder.find(place) is not None)
    if settings:
        named = "`scale_factor`, `alpha`, `train_mode` and `recipe` name a model"
        return f": of this picture there are {'; '.join(settings)} ({named})"
    return ": train it first" if folder.parent.exists() else suggest_name(folder.parent) or ": train it first"
