"""Where every result goes: the folder names, as pure functions of plain values."""

import glob
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from SinGAN.storage.files import keep_inside, links_in, name_prefix

SHIPPED = (Path("Models"), Path(__file__).parent.parent.parent / "Models")
"""The folders of the models that come with the project: in the working folder, or next to the package."""
LONGEST = 240  # bytes of a picture's name: file systems take 255, results add some


def stem(file_name: str, option: str = "input_name") -> str:
    """The name of a picture in every result: its file name without the extension.

    Raises:
        ValueError: ``file_name``, the value of ``option``, is not a plain name: it could lead out of the folders.
    """
    if "/" in file_name or "\\" in file_name:
        raise ValueError(
            f"`{option}` {file_name!r} holds a folder: name the folder with `{option.replace('_name', '_dir')}`"
        )
    name = Path(file_name).stem
    unwritable = any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in file_name)
    if name in ("", ".", "..") or unwritable:
        raise ValueError(f"`{option}` {file_name!r} is not a file name")
    if len(name.encode()) > LONGEST:
        raise ValueError(f"`{option}` {file_name!r} is longer than {LONGEST} bytes: give the file a shorter name")
    return name


def locate(name: str, folder: Path) -> Path:
    """The path of the file ``name``: a plain name is looked up in ``folder``, then in the working folder.

    A path is used as it is; ``~`` is the home folder.
    """
    path = Path(name).expanduser() if name.startswith("~/") else Path(name)
    if not path.name:  # not a file name: ``stem`` raises the error
        return path
    named = path.parent == Path() and ((folder / path).exists() or not path.exists())
    return folder / path.name if named or path.parent.resolve() == folder.resolve() else path


def model_folder(out: Path, name: str, scale_factor: float, alpha: float, label: str = "") -> Path:
    """The folder of the trained model of the picture ``name``; ``label`` names other modes than sequential training."""
    return (
        out / "TrainedModels" / name / ",".join(filter(None, (f"scale_factor={scale_factor:f},alpha={alpha:g}", label)))
    )


def shipped_folders(place: Path, out: Path) -> Iterator[Path]:
    """Possible folders of the shipped model that corresponds to the folder ``place`` in the output folder ``out``."""
    return (folder / place.relative_to(out / "TrainedModels") for folder in SHIPPED)


def trained_for_animation(out: Path, name: str, scale_factor: float, label: str = "") -> Path:
    """The folder of the model of the picture ``name`` that is trained with noise in its margins."""
    return (
        out / "TrainedModels" / name / ",".join(filter(None, (f"scale_factor={scale_factor:f}_noise_padding", label)))
    )


def trained_for_paint(out: Path, name: str, scale_factor: float, start_scale: int) -> Path:
    """The folder of the model of the picture ``name`` whose scale ``start_scale`` is retrained on few colours."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f}_paint" / f"start_scale={start_scale}"


def results(out: Path, folder: str, name: str, title: str, label: str = "") -> Path:
    """The folder of the results of the picture ``name`` in a task's ``folder``.

    ``title`` names these results, by a size or a reference; ``label`` the method and its settings ("": a model of
    sequential training).
    """
    return out / folder / name / label / title


def random_samples(out: Path, name: str, start_scale: int, label: str = "") -> Path:
    """The folder of random samples of the training image's size."""
    return results(out, "RandomSamples", name, f"gen_start_scale={start_scale}", label)


def evaluation(out: Path, name: str) -> Path:
    """The folder of the measures of the model of the picture ``name``."""
    return out / "Evaluation" / name


def set_metrics(out: Path) -> Path:
    """The file of the measures of one set of pictures against another."""
    return out / "Evaluation" / "metrics.json"


def study(out: Path, name: str, title: str) -> Path:
    """The folder of the study ``title`` of the picture ``name``: its trainings, figures and tables."""
    return out / "Studies" / name / title


def work_folder(folder: Path) -> Path:
    """The folder next to ``folder`` in which a training works until it replaces ``folder``."""
    return folder.with_name(f"{name_prefix(folder)}new")


def result_places(out: Path, name: str) -> Iterator[Path]:
    """The folders and files of models and results of the picture ``name`` in ``out``."""
    escaped = glob.escape(name)
    yield out / "TrainedModels" / name
    yield from out.glob(f"*/{escaped}")
    yield from (folder / f"{name}_HR.png" for folder in out.glob("SR/*"))


def guard(root: Path, places: Iterable[Path]) -> None:
    """Check ``result_places``, below the folder ``root``, before a command reads or writes there.

    ``root`` itself may be a link. Neither the places nor the folders above them need to exist.

    Raises:
        ValueError: a link leads a place, its ``work_folder``, or anything in them out of ``root``, or in circles.
    """
    for place in places:
        for folder in (place, work_folder(place)):
            keep_inside(root, [folder])
            keep_inside(root, links_in(folder))
