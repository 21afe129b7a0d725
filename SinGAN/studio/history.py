"""The results of each user, on disk: pictures with what they were made from, and how."""

import hashlib
import json
import logging
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from SinGAN.pictures import images
from SinGAN.pictures.images import Levels
from SinGAN.storage.files import check_regular, discard, keep_inside, whole_file

LOG = logging.getLogger(__name__)
VIEW, THUMB = 1600, 320  # pixels: the longer side of the pictures that the page shows
RECORD = "run.json"
Place = tuple[float, float, float, float]


@dataclass(frozen=True)
class Result:
    """A result: a picture or an animation."""

    file: str  # its name in the folder of the run
    width: int
    height: int
    seconds: float  # that it took
    caption: str = ""
    place: Place | None = None  # of the original in it, where it is larger: left, top, width and height, as shares
    bytes: int = 0  # of its file


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked for, and the results."""

    id: str
    tool: str  # of the page
    title: str  # of the tool
    picture: str  # the file of the original
    picture_title: str
    made_by: str  # the key of the maker
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # the values of the controls, by name
    drawing: str = ""  # what was drawn, as the canvas sent it
    when: float = 0.0  # seconds since 1970
    results: Sequence[Result] = ()

    @property
    def next(self) -> int:
        """The number of the next result, which no other one has had."""
        return 1 + max((int(Path(result.file).stem) for result in self.results), default=-1)

    def key(self, result: Result) -> str:
        """The key of a ``result`` of this run on the page."""
        return f"{self.id}/{Path(result.file).stem}"


class History:
    """The results of all users, in a folder; each user sees only their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.known: dict[Path, dict[str, Run]] = {}  # by the folder of the user, the oldest first

    def home(self, owner: str) -> Path:
        """The folder of ``owner``, a secret, which the name does not tell."""
        if not owner:
            raise ValueError("the page is not ready yet: load it again")
        return self.folder / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def begin(self, **details: Any) -> Run:
        """A new run without results; nothing is written before the first one."""
        return Run(id=f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}", when=time.time(), **details)

    def add(
        self, owner: str, run: Run, levels: Levels, seconds: float, caption: str = "", place: Place | None = None
    ) -> Run:
        """Write the picture ``levels`` (H, W, C) as a result of ``run``, and return the run with it."""
        name = f"{run.next}.png"
        images.write_levels(self._folder(owner, run.id) / name, levels)
        return self._added(owner, run, levels, name, seconds, caption, place)

    def add_file(self, owner: str, run: Run, content: bytes, suffix: str, poster: Levels, seconds: float) -> Run:
        """Write a file, such as an animation, as a result of ``run``; ``poster`` (H, W, C) stands for it in lists."""
        name = f"{run.next}{suffix}"
        with whole_file(self._folder(owner, run.id) / name) as draft:
            draft.write_bytes(content)
        return self._added(owner, run, poster, name, seconds, "", None)

    def runs(self, owner: str) -> list[Run]:
        """The runs of ``owner`` that have results, the newest first."""
        with self.lock:
            return list(reversed(self._of(owner).values()))

    def items(self, owner: str) -> list[dict[str, Any]]:
        """All results of ``owner`` for the page, the newest first."""
        return [self._item(owner, run, result) for run in self.runs(owner) for result in reversed(run.results)]

    def find(self, owner: str, key: str) -> tuple[Run, Path]:
        """The run and the file of the result ``key`` of ``owner``.

        Raises:
            ValueError: there is no such result.
        """
        with self.lock:
            run = self._of(owner).get(key.partition("/")[0])
        for result in run.results if run else ():
            if run and run.key(result) == key:
                return run, self._folder(owner, run.id) / result.file
        raise ValueError("this result is no longer there: choose another")

    def delete(self, owner: str, keys: Sequence[str]) -> None:
        """Remove the results ``keys`` of ``owner``."""
        for key in keys:
            run, file = self.find(owner, key)
            with self.lock:
                left = [result for result in run.results if result.file != file.name]
                if not left:
                    del self._of(owner)[run.id]
                    discard(file.parent)
                else:
                    self._write(owner, replace(run, results=left))
                    for name in (file.name, *shown_files(file.stem)):
                        (file.parent / name).unlink(missing_ok=True)

    def zip(self, owner: str, keys: Sequence[str], target: Path) -> Path:
        """Write the files of the results ``keys``, in that order, into the archive ``target``, and return it."""
        names = dict[str, int]()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # PNG and GIF are compressed already
            for key in keys:
                run, file = self.find(owner, key)
                name = speaking_name(run, file.name)
                names[name] = names.get(name, 0) + 1
                stem, dot, suffix = name.rpartition(".")
                archive.write(file, name if names[name] == 1 else f"{stem} ({names[name]}){dot}{suffix}")
        return target

    def _folder(self, owner: str, run_id: str) -> Path:
        home = self.home(owner)
        keep_inside(self.folder, [home, home / run_id])
        return home / run_id

    def _added(
        self, owner: str, run: Run, levels: Levels, name: str, seconds: float, caption: str, place: Place | None
    ) -> Run:
        folder = self._folder(owner, run.id)
        for shown, longest in zip(shown_files(Path(name).stem), (VIEW, THUMB), strict=True):
            write_reduced(folder / shown, levels, longest)
        height, width = levels.shape[:2]
        result = Result(name, width, height, round(seconds, 2), caption, place, (folder / name).stat().st_size)
        return self._write(owner, replace(run, results=[*run.results, result]))

    def _write(self, owner: str, run: Run) -> Run:
        with self.lock:
            with whole_file(self._folder(owner, run.id) / RECORD) as draft:
                draft.write_text(json.dumps(asdict(run), indent=1) + "\n")
            self._of(owner)[run.id] = run
        return run

    def _of(self, owner: str) -> dict[str, Run]:
        home = self.home(owner)
        if home not in self.known:
            self.known[home] = {run.id: run for run in read_runs(home)}
        return self.known[home]

    def _item(self, owner: str, run: Run, result: Result) -> dict[str, Any]:
        folder = self.home(owner) / run.id
        view, thumb = shown_files(Path(result.file).stem)
        return {
            "key": run.key(result), "run": run.id, "title": run.title, "picture": run.picture_title,
            "caption": result.caption, "seed": run.seed, "width": result.width, "height": result.height,
            "seconds": result.seconds, "bytes": result.bytes, "place": result.place,
            "name": speaking_name(run, result.file),
            "file": str(folder / result.file), "view": str(folder / view), "thumb": str(folder / thumb),
            "original": run.picture,
        }  # fmt: skip


def read_runs(home: Path) -> Iterator[Run]:
    """The runs in the folder ``home``, the oldest first; those that can't be read are left out."""
    for file in sorted(home.glob(f"*/{RECORD}")):
        try:
            entry = json.loads(check_regular(file).read_text())
            results = [Result(**result) for result in entry.pop("results")]
            results = [replace(one, place=as_place(one.place)) for one in results]
            run = Run(**{**entry, "id": file.parent.name}, results=results)
            names = [
                name for result in results for name in (result.file, *shown_files(str(int(Path(result.file).stem))))
            ]
            if results and all(Path(name).name == name and (file.parent / name).is_file() for name in names):
                yield run
                continue
            LOG.warning("results are left out, because files are missing: %s", file.parent)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            LOG.warning("a result is left out, because it can't be read (%s): %s", type(error).__name__, file)


def as_place(value: Any) -> Place | None:
    """``value`` of a record as a place."""
    if value is None:
        return None
    left, top, width, height = map(float, value)
    return left, top, width, height


def shown_files(stem: str) -> tuple[str, str]:
    """The names of the view and of the thumbnail of the result ``stem``."""
    return f"{stem}_view.jpg", f"{stem}_thumb.jpg"


def speaking_name(run: Run, file: str) -> str:
    """The file name that a download of the result ``file`` gets: picture, tool, seed and number."""
    words = f"{run.picture_title} {run.title} {run.seed} {int(Path(file).stem) + 1}"
    plain = "".join(letter if letter.isalnum() or letter in " -" else " " for letter in words)
    return "-".join(plain.split())[:120] + Path(file).suffix


def write_reduced(path: Path, levels: Levels, longest: int) -> None:
    """Write ``levels`` (H, W, C) as a JPEG whose longer side has at most ``longest`` pixels."""
    with whole_file(path) as draft:
        reduced(levels, longest).save(draft, format="JPEG", quality=90)


def reduced(levels: Levels, longest: int) -> Image.Image:
    """``levels`` (H, W, C) as an RGB image whose longer side has at most ``longest`` pixels; alpha on grey."""
    picture = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    if max(picture.size) > longest:
        share = longest / max(picture.size)
        size = max(1, round(picture.width * share)), max(1, round(picture.height * share))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if picture.mode == "RGBA":
        ground = Image.new("RGB", picture.size, (128, 128, 128))
        ground.paste(picture, mask=picture.getchannel("A"))
        return ground
    return picture.convert("RGB")
