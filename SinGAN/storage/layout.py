"""Where every result goes: the folder names, as pure functions of plain values."""

import glob
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from SinGAN.storage.files import links_in, mark

SHIPPED = (Path("Models"), Path(__file__).parent.parent.parent / "Models")
"""Where models may lie that come with the project: in the working folder, or beside the package."""
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
        raise ValueError(f"`{option}` {file_name!r} is no file name")
    if len(name.encode()) > LONGEST:
        raise ValueError(f"`{option}` {file_name!r} is longer than {LONGEST} bytes: give the file a shorter name")
    return name


def trained(out: Path, name: str, scale_factor: float, alpha: float, label: str = "") -> Path:
    """The folder of the trained model of the picture ``name``; a ``label`` tells concurrent trainings from others."""
    return (
        out / "TrainedModels" / name / ",".join(filter(None, (f"scale_factor={scale_factor:f},alpha={alpha:g}", label)))
    )


def shipped(place: Path, out: Path) -> Iterator[Path]:
    """Where the model whose folder is ``place``, in the output folder ``out``, may lie among those that are shipped."""
    return (folder / place.relative_to(out / "TrainedModels") for folder in SHIPPED)


def trained_for_animation(out: Path, name: str, scale_factor: float, label: str = "") -> Path:
    """The folder of the model of the picture ``name`` that is trained with noise in its margins."""
    return (
        out / "TrainedModels" / name / ",".join(filter(None, (f"scale_factor={scale_factor:f}_noise_padding", label)))
    )


def trained_for_paint(out: Path, name: str, scale_factor: float, start_scale: int) -> Path:
    """The folder of the model of the picture ``name`` whose scale ``start_scale`` is retrained on few colours."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f}_paint" / f"start_scale={start_scale}"


def random_samples(out: Path, name: str, start_scale: int) -> Path:
    """The folder of random samples of the training image's size."""
    return out / "RandomSamples" / name / f"gen_start_scale={start_scale}"


def arbitrary_sizes(out: Path, name: str, scale_v: float, scale_h: float, start_scale: int = 0) -> Path:
    """The folder of random samples of another size; a start scale above 0, which the authors lack, adds a part."""
    size = f"scale_v={scale_v:f}_scale_h={scale_h:f}"
    start = f"_gen_start_scale={start_scale}" if start_scale else ""
    return out / "RandomSamples_ArbitrerySizes" / name / (size + start)  # the authors' spelling


def sizes(out: Path, name: str, size: tuple[int, int], start_scale: int) -> Path:
    """The folder of random samples of ``size``, height and width in pixels."""
    start = f"_gen_start_scale={start_scale}" if start_scale else ""
    return out / "RandomSamples_ArbitrerySizes" / name / f"size={size[1]}x{size[0]}{start}"


def harmonization(out: Path, name: str, reference: str) -> Path:
    """The folder of harmonized pictures of the reference with the file name ``reference``."""
    return out / "Harmonization" / name / f"{Path(reference).stem}_out"


def editing(out: Path, name: str, reference: str) -> Path:
    """The folder of edited pictures of the reference with the file name ``reference``."""
    return out / "Editing" / name / f"{Path(reference).stem}_out"


def paint(out: Path, name: str, reference: str, quantized: bool) -> Path:
    """The folder of pictures that are made of the paint with the file name ``reference``."""
    return out / "Paint2image" / name / f"{Path(reference).stem}_out{'_quantized' if quantized else ''}"


def super_resolution(out: Path, name: str, factor: float) -> Path:
    """The file of the picture ``name``, enlarged by ``factor``."""
    return out / "SR" / f"{factor:g}" / f"{name}_HR.png"


def animation(out: Path, name: str, start_scale: int, alpha: float, beta: float, suffix: str) -> Path:
    """The file of an animation, with the ending ``suffix``."""
    return out / "Animation" / name / f"start_scale={start_scale}" / f"alpha={alpha:f}_beta={beta:f}.{suffix}"


def retargeted(out: Path, name: str, title: str) -> Path:
    """The folder of pictures of other proportions, of the size that ``title`` names."""
    return out / "Retarget" / name / title


def inpainted(out: Path, name: str, mask: str) -> Path:
    """The folder of pictures whose hole, the mask with the file name ``mask``, is filled."""
    return out / "Inpaint" / name / f"{Path(mask).stem}_out"


def outpainted(out: Path, name: str, title: str) -> Path:
    """The folder of extended pictures, whose margins ``title`` names."""
    return out / "Outpaint" / name / title


def analogy(out: Path, name: str, structure: str) -> Path:
    """The folder of pictures with the layout of the picture with the file name ``structure``."""
    return out / "Analogy" / name / f"{Path(structure).stem}_out"


def tile(out: Path, name: str, title: str) -> Path:
    """The folder of tiles of the size that ``title`` names."""
    return out / "Tile" / name / title


def of_method(folder: Path, label: str) -> Path:
    """The folder in place of ``folder`` for results of a method, and of its settings, that ``label`` names."""
    return folder.parent / label / folder.name if label else folder


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
    """The folder beside ``folder`` in which a training works that is to take its place."""
    return folder.with_name(f"{mark(folder)}new")


KINDS = (
    "TrainedModels",
    "RandomSamples",
    "RandomSamples_ArbitrerySizes",
    "Harmonization",
    "Editing",
    "Paint2image",
    "SR",
    "Animation",
    "Retarget",
    "Inpaint",
    "Outpaint",
    "Analogy",
    "Tile",
    "Evaluation",
    "Studies",
)
"""The folders of results in the output folder."""


def places(out: Path, name: str) -> Iterator[Path]:
    """All in ``out`` that results of the picture ``name`` are written to or read from, and that could be a link."""
    escaped = glob.escape(name)
    yield from (out / kind for kind in KINDS)
    for place in (*out.glob(f"*/{escaped}"), *out.glob("SR/*"), *out.glob(f"SR/*/{escaped}_HR.png")):
        yield place
        if place.parent.name != "SR":
            yield from links_in(place)
    yield set_metrics(out)
