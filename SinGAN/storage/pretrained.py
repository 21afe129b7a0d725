"""Files of pretrained weights: given by the user, or downloaded once into torch's cache."""

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from SinGAN.storage.files import check_regular, fresh_parents
from SinGAN.storage.hashes import sha256
from SinGAN.storage.tensors import load_weights, save

LOG = logging.getLogger(__name__)
HASH = re.compile(r"-([0-9a-f]{8,})\.")  # the start of a file's SHA-256, in its name
OFFLINE = "SINGAN_OFFLINE"  # environment variable of a process that downloads nothing
VGG16 = "vgg16-397923af.pth"
SHA256 = {
    "inception_v3_google-0cc3c7bd.pth": "0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef",
    VGG16: "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "vgg19-dcbb9e9d.pth": "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    "weights-inception-2015-12-05-6726825d.pth": "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "weights-vgg16-lpips.pth": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
"""The SHA-256 of each file that is downloaded, by name."""


def cache_path(url: str) -> Path:
    """The path of the file at ``url`` in torch's cache, whether it exists or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def fetch(url: str) -> Path:
    """Download the file at ``url`` unless it is in torch's cache, check its SHA-256, and return its path.

    Raises:
        FileNotFoundError: the download failed, or is not allowed; no partial file remains.
        ValueError: the file in the cache, or the download, has another content than it should.
    """
    file = cache_path(url)
    if not file.exists():
        check_may_download(file.name)
        LOG.info(f"downloading {url} to {file}")
        try:
            with fresh_parents(file):
                torch.hub.download_url_to_file(url, str(file), expected_hash(file.name))
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"no weights: {url} can't be downloaded ({error}). Download it elsewhere, and put it at {file}"
            ) from error
    check_content(file)
    return file


def check_may_download(name: str) -> None:
    """Raise a FileNotFoundError if the weights ``name`` are not in torch's cache and this process downloads nothing."""
    if os.environ.get(OFFLINE) and not cache_path(name).exists():
        raise FileNotFoundError(
            f"the weights {name} are not on this machine, and nothing is downloaded here: a training in the terminal "
            "that needs them loads them once"
        )


def expected_hash(name: str) -> str:
    """The SHA-256 of the download called ``name``; of an unknown one only its first digits, which are part of the name.

    Raises:
        ValueError: nothing is known about it.
    """
    start = HASH.search(name)
    if name not in SHA256 and start is None:
        raise ValueError(f"the content of {name} can't be checked: its SHA-256 is unknown")
    return SHA256[name] if start is None else SHA256.get(name, start.group(1))


def check_content(file: Path) -> None:
    """Raise a ValueError unless ``file``, in torch's cache, has the SHA-256 that is expected of its name."""
    found = sha256(check_regular(file).read_bytes())
    if not found.startswith(expected_hash(file.name)):
        raise ValueError(f"{file} is damaged or not the published file (SHA-256 {found}): remove it to load it again")


def check_exists(path: Path, option: str) -> Path:
    """Return ``path``, the value of ``option``; raise a FileNotFoundError if there is no such file."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path} (`{option}`)")
    return path


def read(path: Path) -> dict[str, Tensor]:
    """The weights in ``path``: a state dict saved by torch, or arrays in an npz file. Reading can't run code.

    Raises:
        ValueError: it has other content.
    """
    if path.suffix != ".npz":
        return load_weights(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except Exception as error:  # damaged bytes make numpy raise nearly anything
        raise ValueError(f"{path} is damaged or not an npz file of weights ({error})") from error


@contextmanager
def clean_copies(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield copies of weights ``files`` for a library, in a temporary folder.

    They are written from the tensors that ``read`` returns. A file that is valid in two formats can be harmless to one
    reader and run code in another, so the library gets only the content that was checked.

    Raises:
        ValueError: a file is damaged or has other content.
    """
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(index) / file.name for index, file in enumerate(files)]
        for copy, file in zip(copies, files, strict=True):
            save(copy, read(file))
        yield copies


@contextmanager
def clean_cache(files: Sequence[Path]) -> Iterator[None]:
    """Replace torch's cache during the block by one with clean copies of ``files``, its own downloads, only.

    Raises:
        ValueError: a file is damaged, or the cache's folder was set with ``torch.hub.set_dir``.
    """
    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("TORCH_HOME")
        os.environ["TORCH_HOME"] = home
        try:
            cache = Path(torch.hub.get_dir())
            if not cache.is_relative_to(home):
                raise ValueError("the cache's folder was set with torch.hub.set_dir: set TORCH_HOME instead")
            for file in files:
                save(cache / "checkpoints" / file.name, read(file))
            yield
        finally:
            os.environ.pop("TORCH_HOME")
            os.environ.update({} if before is None else {"TORCH_HOME": before})


def fill(net: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Load ``weights``, read from ``source``, into ``net``; superfluous ones are ignored.

    Raises:
        ValueError: a tensor is missing or has another shape.
    """
    needed = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name, value in needed.items():
        if name not in weights:
            raise ValueError(f"{source} lacks {name}")
        if weights[name].shape != value.shape:
            raise ValueError(f"{source}: {name} has the shape {tuple(weights[name].shape)}, not {tuple(value.shape)}")
    net.load_state_dict({name: weights[name] for name in needed}, strict=False)
