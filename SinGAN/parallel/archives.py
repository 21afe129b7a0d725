"""Results as bytes that travel between machines: packed, unpacked, and put into place."""

import contextlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from SinGAN.runs.recorder import work_folder
from SinGAN.storage.files import locked, whole_folder

PASSING = {".lock", ".tmp", ".old"}  # suffixes of what only a process that runs needs


def pack(root: Path, folders: Sequence[Path]) -> bytes:
    """All files in ``folders``, by their places in ``root``, as an archive.

    Whatever moment of a training it shows, the training can go on from there: files are whole, and
    the lists that make a scale count are read after its nets, as they are written.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            files = (path for path in folder.rglob("*") if path.is_file() and not is_passing(path.relative_to(root)))
            for path in sorted(files, key=lambda path: (-len(path.parts), path)):
                with contextlib.suppress(FileNotFoundError):  # replaced or removed meanwhile
                    content = path.read_bytes()
                    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
                    entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
                    archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def is_passing(path: Path) -> bool:
    """Whether only a process that runs needs ``path``."""
    return not PASSING.isdisjoint(Path(part).suffix for part in path.parts)


def unpack(archive: bytes, root: Path) -> None:
    """Write the files of ``archive``, if there are any, into ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    if archive:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(root, filter="data")


def land(archive: bytes, out: Path) -> None:
    """Put the results in ``archive`` into ``out``, folder by folder: each takes an older one's place whole."""
    with tempfile.TemporaryDirectory() as home:
        unpack(archive, Path(home))
        for folder in sorted(Path(home).glob("*/*/*")):
            place = out / folder.relative_to(home)
            with locked(place), whole_folder(place) as draft:
                for path in folder.rglob("*"):
                    if path.is_file():
                        target = draft / path.relative_to(folder)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(path.read_bytes())
            begun = work_folder(place, overwrite=True)
            if begun != place and not folder.with_name(begun.name).exists():  # it has taken the place now
                shutil.rmtree(begun, ignore_errors=True)
