"""Archives of results that travel between machines."""

import contextlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from SinGAN.storage.files import discard, folder_draft, replace_folder
from SinGAN.storage.layout import work_folder
from SinGAN.storage.recovery import locked

TRANSIENT = {".lock", ".tmp", ".old"}  # suffixes of files and folders that only running processes need


def pack(root: Path, folders: Sequence[Path]) -> bytes:
    """Pack all files in ``folders`` into an archive, under their paths relative to ``root``.

    A training can resume from an archive that was packed while it ran: each file is complete, and the lists of
    finished scales are read after the nets of these scales, in the order in which they are written.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            for path in sorted(folder.rglob("*"), key=lambda path: (-len(path.parts), path)):
                suffixes = {Path(part).suffix for part in path.relative_to(root).parts}
                if not path.is_file() or suffixes & TRANSIENT:
                    continue
                with contextlib.suppress(FileNotFoundError):  # replaced or removed in the meantime
                    content = path.read_bytes()
                    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
                    entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
                    archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpack(archive: bytes, root: Path) -> None:
    """Extract ``archive``, which may be empty, into ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    if archive:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(root, filter="data")


def put_in_place(archive: bytes, out: Path) -> None:
    """Extract the results in ``archive`` into ``out``; each folder replaces an older one as a whole."""
    with tempfile.TemporaryDirectory() as temporary:
        unpack(archive, Path(temporary))
        for folder in sorted(Path(temporary).glob("*/*/*")):
            place = out / folder.relative_to(temporary)
            with locked(place), folder_draft(place) as draft:
                shutil.copytree(folder, draft, copy_function=shutil.copyfile, dirs_exist_ok=True)
                replace_folder(draft, place)
                unfinished = work_folder(place)
                if not folder.with_name(unfinished.name).exists():  # it has been finished
                    discard(unfinished)
