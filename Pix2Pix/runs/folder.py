"""A translation model as a folder, named as pix2pix does: manifest, nets of kept epochs, losses, pictures."""

import html
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote

import torch
from torch import Tensor, nn

import SinGAN
from Pix2Pix.nets.generators import GeneratorConfig, config_of
from Pix2Pix.nets.layers import Layers
from Pix2Pix.options import ModelOptions
from Pix2Pix.request import Request, generator_config, make_preparation
from SinGAN.options.option import check_values
from SinGAN.saved_models.validation import check_types
from SinGAN.storage.files import check_regular, write_json, write_whole
from SinGAN.storage.hashes import digest
from SinGAN.storage.tensors import check_fit, load_weights, reading, save

FILE = "manifest.json"
LATEST = "latest"
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
COLOURS = 256  # more than any palette has
POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
STYLE = (
    "body{font:16px sans-serif;overflow-wrap:anywhere}figure{display:inline-block;margin:8px}"
    "img{width:256px;image-rendering:pixelated}"
)


@dataclass(frozen=True)
class Manifest:
    """The data, the options and the circumstances that a model is trained from."""

    name: str
    options: Mapping[str, Any]  # those of ModelOptions, by name
    seed: int
    pairs: int  # their number
    data: str  # SHA-256 over the pairs' names and bytes
    one_pair: bool
    engine: str
    device: str
    threads: int
    versions: Mapping[str, str]
    palette: list[str]  # the inputs' most frequent colours, as #rrggbb
    kind: str = "pix2pix"
    first_epoch: int = 1  # where a training was continued: its first epoch there
    base: str = ""  # SHA-256 of the nets from which it was continued
    checksum: str = field(default="", compare=False)  # of the rest, in its file

    @classmethod
    def of(cls, name: str, asked: Request, device: torch.device, engine: str) -> "Manifest":
        """The manifest of the training that is ``asked`` for."""
        versions = {"SinGAN": SinGAN.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
        return cls(
            name, asdict(asked.options), asked.seed, len(asked.files), asked.content(), asked.one_pair, engine,
            str(device), torch.get_num_threads(), versions, asked.palette(),
        )  # fmt: skip

    @property
    def model_options(self) -> ModelOptions:
        """The options of the model.

        Raises:
            ValueError: one is unknown, has another type, or is out of range.
        """
        return ModelOptions(**check_values(ModelOptions, self.options))

    @property
    def epochs(self) -> int:
        """The number of the last epoch."""
        return int(self.options["n_epochs"]) + int(self.options["n_epochs_decay"])

    def digest(self) -> str:
        """The SHA-256 of the content."""
        return digest(self._content())

    def _content(self) -> dict[str, Any]:
        """All but the checksum; older versions have no fields of continued trainings."""
        left_out = {"checksum"} if self.base else {"checksum", "first_epoch", "base"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def grows_to(self, asked: "Manifest") -> bool:
        """Whether the model that is ``asked`` for is this one, trained further."""
        changed = {name: self.options[name] for name in ("n_epochs", "n_epochs_decay")}
        same = replace(asked, options={**asked.options, **changed})
        return asked.epochs > self.epochs and not self.differences(same, seed_matters=False)

    def differences(self, asked: "Manifest", seed_matters: bool, starts: bool = False) -> list[str]:
        """A phrase for each difference between this model and the one that is ``asked`` for.

        Another seed is one if ``seed_matters``; ``starts``: so are other nets that a continued training began with.
        """
        found = [
            f"`{name}` is {self.options.get(name)}, not {value}"
            for name, value in asked.options.items()
            if self.options.get(name) != value
        ]
        if self.data != asked.data:
            found.append("another data set")
        if seed_matters and self.seed != asked.seed:
            found.append(f"`seed` is {self.seed}, not {asked.seed}")
        if starts and (self.first_epoch, self.base) != (asked.first_epoch, asked.base):
            found.append("it began with other nets")
        return found

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        write_json(folder / FILE, {**self._content(), "checksum": self.digest()})

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest in ``folder``.

        Raises:
            ValueError: there is none, it is damaged, or a value has another type or is out of range.
        """
        path = folder / FILE
        with reading(path):
            values = json.loads(check_regular(path).read_text(encoding="utf-8"))
            found = cls(**values)
            check_types(vars(found), get_type_hints(cls))
            found.check()
        return found

    @classmethod
    def find(cls, folder: Path) -> "Manifest | None":
        """The manifest in ``folder``; None where there is none. Raises as ``read``."""
        return cls.read(folder) if (folder / FILE).exists() else None

    def check(self) -> None:
        """Raise a ValueError if a value is out of range, or the content is not what was written."""
        if self.kind != "pix2pix":
            raise ValueError(f"kind is {self.kind!r:.80}, which this version does not know")
        if min(self.pairs, self.threads) < 1 or not all(isinstance(version, str) for version in self.versions.values()):
            raise ValueError("pairs, threads or versions are out of range")
        if lacking := ModelOptions.__dataclass_fields__.keys() - self.options:
            raise ValueError(f"it lacks the option `{min(lacking)}`")
        make_preparation(self.model_options).check()
        if not re.fullmatch("([0-9a-f]{64})?", self.base) or not 1 <= self.first_epoch <= (
            self.epochs if self.base else 1
        ):
            raise ValueError(f"first_epoch is {self.first_epoch!r:.80}, base {self.base!r:.80}")
        colours = all(isinstance(colour, str) and re.fullmatch("#[0-9a-f]{6}", colour) for colour in self.palette)
        if not colours or len(self.palette) > COLOURS:
            raise ValueError(f"palette is {self.palette!r:.80}, not a list of colours as #rrggbb")
        if self.digest() != self.checksum:
            raise ValueError("its content has changed since it was written")


def net_file(folder: Path, epoch: str, net: str) -> Path:
    """The file of a net, "G" or "D", as it was kept after ``epoch``."""
    return folder / f"{epoch}_net_{net}.pth"


def save_net(folder: Path, epoch: str, net: str, module: nn.Module) -> None:
    """Keep a net."""
    save(net_file(folder, epoch, net), {name: value.cpu() for name, value in module.state_dict().items()})


def load_net(folder: Path, epoch: str, net: str, module: nn.Module) -> None:
    """Give ``module`` the weights of a net, "G" or "D", kept after ``epoch``; a ValueError where they don't fit."""
    path = net_file(folder, epoch, net)
    state = clean_state(load_weights(path))
    with reading(path):
        check_fit(state, module.state_dict())
    module.load_state_dict(state)


def load_generator(
    folder: Path, epoch: str, like: Layers, kind: str | None = None, options: ModelOptions | None = None
) -> tuple[GeneratorConfig, nn.Module]:
    """The generator in ``folder`` as it was saved after ``epoch``, "latest" or a number; also one of pix2pix's code.

    Arguments:
        like: the randomness of a model without manifest, where it can't be inferred from the weights.
        kind: of net that the weights must have; None: any.
        options: of the model; None: they are inferred from the weights.

    Raises:
        FileNotFoundError: there is none.
        ValueError: its weights do not belong to such a net.
    """
    path = net_file(folder, epoch, "G")
    if not path.is_file():
        kept = sorted(file.name.removesuffix("_net_G.pth") for file in folder.glob("*_net_G.pth"))
        hint = f": there are {', '.join(kept)}" if kept else ": train it first"
        raise FileNotFoundError(f"no model of epoch {epoch} in {folder}{hint}")
    state = clean_state(load_weights(path))
    with reading(path):
        config = config_of(state, like) if options is None else generator_config(options)
        if kind is not None and kind != config.kind:
            raise ValueError(f"it is {config.kind}, not {kind}")
        with torch.device("meta"):
            wanted = config.build().state_dict()
        check_fit(state, wanted)
    net = config.build()
    net.load_state_dict(state)
    return config, net


def clean_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state`` without the additions of old versions of PyTorch and pix2pix."""
    result = {name.removeprefix("module."): value for name, value in state.items()}
    normed = {name.rpartition(".")[0] for name in result if name.endswith("running_mean")}
    for name in normed:
        if f"{name}.weight" not in result:  # an instance norm of before PyTorch 0.4
            for buffer in BUFFERS:
                result.pop(f"{name}.{buffer}", None)
        elif f"{name}.num_batches_tracked" not in result:
            result[f"{name}.num_batches_tracked"] = torch.tensor(0)
    return result


def write_page(folder: Path, name: str, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write ``index.html`` into ``folder``; ``rows``: stem and kinds of the pictures ``images/<stem>_<kind>.png``."""
    lines = [f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">']
    lines.append(f"<title>{html.escape(name)}</title><style>{STYLE}</style></head>")
    lines.append(f"<body><h1><bdi>{html.escape(name)}</bdi></h1>")
    for stem, kinds in rows:
        lines.append(f"<h2><bdi>{html.escape(stem)}</bdi></h2>")
        for kind in kinds:
            picture = f'<img src="images/{quote(os.fsencode(f"{stem}_{kind}.png"))}" alt="">'
            lines.append(f"<figure>{picture}<figcaption>{kind}</figcaption></figure>")
    page = f"<!doctype html><html><head>{''.join(lines)}</body></html>\n"
    write_whole(folder / "index.html", page.encode(errors="replace"))  # names may be no UTF-8
