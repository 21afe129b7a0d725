"""Files of pretrained weights: named by the user, or downloaded once into torch's cache."""

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

from SinGAN.storage.files import fresh_parents
from SinGAN.storage.tensors import load_weights, save

LOG = logging.getLogger(__name__)
HASH = re.compile(r"-([0-9a-f]{8,})\.")  # the start of a file's SHA-256, in its name


def cached(url: str) -> Path:
    """The path of the file at ``url`` in torch's cache, whether it is there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def fetch(url: str) -> Path:
    """The path of the file at ``url``: downloaded where torch's cache lacks it, and checked by the hash in its name.

    Raises:
        FileNotFoundError: the download failed; it leaves nothing behind.
    """
    file, checksum = cached(url), HASH.search(url)
    if file.exists():
        return file
    LOG.info(f"downloading {url} to {file}")
    try:
        with fresh_parents(file):
            torch.hub.download_url_to_file(url, str(file), checksum and checksum.group(1))
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no weights: {url} can't be had ({error}). Get it elsewhere, and put it at {file}"
        ) from error
    return file


def existing(path: Path, option: str) -> Path:
    """``path``, the value of ``option``; a FileNotFoundError where there is no such file."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path} (`{option}`)")
    return path


def read(path: Path) -> dict[str, Tensor]:
    """The weights in ``path``: a state dict saved by torch, or arrays in an npz file. Reading can't run code.

    Raises:
        ValueError: it holds something else.
    """
    if path.suffix != ".npz":
        return load_weights(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except Exception as error:  # damaged bytes make numpy raise nearly anything
        raise ValueError(f"{path} is damaged or no npz file of weights ({error})") from error


@contextmanager
def clean_copies(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Copies of weights ``files`` for a library to read, in a folder that goes when the block ends.

    They are written from the tensors that ``read`` finds. A file that is two formats at once can be
    harmless to one reader and run code in another: what is checked here is what the library gets.

    Raises:
        ValueError: a file is damaged or holds something else.
    """
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(index) / file.name for index, file in enumerate(files)]
        for copy, file in zip(copies, files, strict=True):
            save(copy, read(file))
        yield copies


@contextmanager
def clean_cache(files: Sequence[Path]) -> Iterator[None]:
    """A cache of torch's that holds clean copies of ``files``, its own downloads, and nothing else, for the block.

    Raises:
        ValueError: a file is damaged, or the cache's place was set with ``torch.hub.set_dir``.
    """
    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("TORCH_HOME")
        os.environ["TORCH_HOME"] = home
        try:
            cache = Path(torch.hub.get_dir())
            if not cache.is_relative_to(home):
                raise ValueError("the cache's place was set with torch.hub.set_dir: set TORCH_HOME instead")
            for file in files:
                save(cache / "checkpoints" / file.name, read(file))
            yield
        finally:
            os.environ.pop("TORCH_HOME")
            os.environ.update({} if before is None else {"TORCH_HOME": before})


def fill(net: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Load ``weights``, read from ``source``, into ``net``; they may hold more than it needs.

    Raises:
        ValueError: they lack a tensor, or hold one of another shape.
    """
    needed = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name, value in needed.items():
        if name not in weights:
            raise ValueError(f"{source} lacks {name}")
        if weights[name].shape != value.shape:
            raise ValueError(f"{source}: {name} has the shape {tuple(weights[name].shape)}, not {tuple(value.shape)}")
    net.load_state_dict({name: weights[name] for name in needed}, strict=False)
