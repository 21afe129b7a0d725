"""Archives of results, to be sent between machines: packed, unpacked, and put into place."""

import contextlib
import io
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from SinGAN.storage.files import discard, folder_draft, replace_folder
from SinGAN.storage.layout import work_folder
from SinGAN.storage.recovery import locked

TRANSIENT = {".lock", ".tmp", ".old"}  # suffixes of files and folders that only a running process needs


def pack(root: Path, folders: Sequence[Path]) -> bytes:
    """An archive of all files in ``folders``, by their paths below ``root``.

    A training can go on from an archive that is packed while it runs: files are whole, and the
    lists that make a scale count are read after its nets, as they are written.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            files = (path for path in folder.rglob("*") if path.is_file() and not is_transient(path.relative_to(root)))
            for path in sorted(files, key=lambda path: (-len(path.parts), path)):
                with contextlib.suppress(FileNotFoundError):  # replaced or removed meanwhile
                    content = path.read_bytes()
                    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
                    entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
                    archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def is_transient(path: Path) -> bool:
    """Whether only a running process needs ``path``."""
    return not TRANSIENT.isdisjoint(Path(part).suffix for part in path.parts)


def unpack(archive: bytes, root: Path) -> None:
    """Write the files in ``archive``, which may be empty, below ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    if archive:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(root, filter="data")


def put_in_place(archive: bytes, out: Path) -> None:
    """Put the results in ``archive`` into ``out``, folder by folder: each replaces an older one as a whole."""
    with tempfile.TemporaryDirectory() as temporary:
        unpack(archive, Path(temporary))
        for folder in sorted(Path(temporary).glob("*/*/*")):
            place = out / folder.relative_to(temporary)
            with locked(place), folder_draft(place) as draft:
                for path in folder.rglob("*"):
                    if path.is_file():
                        target = draft / path.relative_to(folder)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(path.read_bytes())
                replace_folder(draft, place)
                unfinished = work_folder(place)
                if not folder.with_name(unfinished.name).exists():  # it is finished now
                    discard(unfinished)
