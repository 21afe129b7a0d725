"""Where every result goes: the folder names, as pure functions of plain values."""

from pathlib import Path


def stem(file_name: str, flag: str = "--input_name") -> str:
    """The name of a picture in every result: its file name without the extension.

    Raises:
        ValueError: ``file_name``, given with ``flag``, is not a plain one, and could lead out of the folders.
    """
    if "/" in file_name or "\\" in file_name:
        raise ValueError(f"{flag} {file_name!r} holds a folder: name the folder with {flag.replace('_name', '_dir')}")
    name = Path(file_name).stem
    if name in ("", ".", "..") or not file_name.isprintable():
        raise ValueError(f"{flag} {file_name!r} is no file name")
    return name


def trained(out: Path, name: str, scale_factor: float, alpha: float) -> Path:
    """The trained model of the picture ``name``."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f},alpha={alpha:g}"


def trained_for_animation(out: Path, name: str, scale_factor: float) -> Path:
    """The model of the picture ``name`` trained with noise in its margins."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f}_noise_padding"


def trained_for_paint(out: Path, name: str, scale_factor: float, start_scale: int) -> Path:
    """The model of the picture ``name`` whose scale ``start_scale`` is retrained on few colours."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f}_paint" / f"start_scale={start_scale}"


def random_samples(out: Path, name: str, start_scale: int) -> Path:
    """Random samples of the training image's size."""
    return out / "RandomSamples" / name / f"gen_start_scale={start_scale}"


def arbitrary_sizes(out: Path, name: str, scale_v: float, scale_h: float, start_scale: int = 0) -> Path:
    """Random samples of another size; a start scale above 0, which the authors lack, adds its own part."""
    size = f"scale_v={scale_v:f}_scale_h={scale_h:f}"
    start = f"_gen_start_scale={start_scale}" if start_scale else ""
    return out / "RandomSamples_ArbitrerySizes" / name / (size + start)  # the authors' spelling


def harmonization(out: Path, name: str, reference: str) -> Path:
    """Harmonized pictures of the reference with the file name ``reference``."""
    return out / "Harmonization" / name / f"{Path(reference).stem}_out"


def editing(out: Path, name: str, reference: str) -> Path:
    """Edited pictures of the reference with the file name ``reference``."""
    return out / "Editing" / name / f"{Path(reference).stem}_out"


def paint(out: Path, name: str, reference: str, quantized: bool) -> Path:
    """Pictures made of the paint with the file name ``reference``."""
    return out / "Paint2image" / name / f"{Path(reference).stem}_out{'_quantized' if quantized else ''}"


def super_resolution(out: Path, name: str, factor: float) -> Path:
    """The picture ``name``, enlarged by ``factor``."""
    return out / "SR" / f"{factor:g}" / f"{name}_HR.png"


def animation(out: Path, name: str, start_scale: int, alpha: float, beta: float, suffix: str) -> Path:
    """One animation, a file with the ending ``suffix``."""
    return out / "Animation" / name / f"start_scale={start_scale}" / f"alpha={alpha:f}_beta={beta:f}.{suffix}"


def evaluation(out: Path, name: str) -> Path:
    """The measures of the picture ``name``'s model."""
    return out / "Evaluation" / name


def set_metrics(out: Path) -> Path:
    """The measures of one set of pictures against another, a file."""
    return out / "Evaluation" / "metrics.json"


def study(out: Path, name: str, title: str) -> Path:
    """What the study ``title`` compares of the picture ``name``: a folder for each training, figures and tables."""
    return out / "Studies" / name / title
