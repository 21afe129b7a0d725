"""PyTorch's cache of compiled programs: it would keep for ever what a killed process left damaged there."""

import logging
import re
import sys
import time
from pathlib import Path

LOG = logging.getLogger(__name__)
ELF, SIXTY_FOUR = b"\x7fELF", 2
YOUNG = 10.0  # seconds in which a library may still be written


def sweep() -> None:
    """Remove the libraries from the cache that are empty or cut off: loading one can end the process."""
    for library in folder().glob("*/*.so") if sys.platform == "linux" else ():
        try:
            if time.time() - library.stat().st_mtime > YOUNG and not is_whole(library):
                remove(library, "it is cut off")
        except OSError:  # another process has removed it
            continue


def is_whole(library: Path) -> bool:
    """Whether ``library`` is as long as its header says, where that is one of Linux on 64 bits."""
    with library.open("rb") as file:
        header, size = file.read(64), library.stat().st_size
    if not header.startswith(ELF) or len(header) < 64:
        return False
    if header[4] != SIXTY_FOUR or header[5] != 1:
        return True
    table = int.from_bytes(header[40:48], "little")  # of the sections: it is written last
    return table + int.from_bytes(header[58:60], "little") * int.from_bytes(header[60:62], "little") <= size


def removed(error: Exception) -> bool:
    """Whether ``error`` names a library in the cache that can't be loaded; that is then removed."""
    for name in re.findall(r"/\S+\.so\b", str(error)):
        library = Path(name)
        if library.is_relative_to(folder()) and library.exists():
            remove(library, str(error).splitlines()[0])
            return True
    return False


def remove(library: Path, why: str) -> None:
    """Remove ``library``, and tell it."""
    library.unlink()
    LOG.warning(f"a compiled program is damaged ({why:.200}): it is compiled again")


def folder() -> Path:
    """The cache's folder."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir  # not above: it takes two seconds

    return Path(cache_dir())
