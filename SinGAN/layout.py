"""Where every result goes: the folder names, as pure functions of plain values."""

from pathlib import Path


def stem(input_name: str) -> str:
    """The name of a picture in every result: its file name without the extension.

    Raises:
        ValueError: ``input_name`` is not a plain file name, and could lead out of the folders.
    """
    if "/" in input_name or "\\" in input_name:
        raise ValueError(f"--input_name {input_name!r} holds a folder: name the folder with --input_dir")
    if input_name in ("", ".", "..") or not input_name.isprintable():
        raise ValueError(f"--input_name {input_name!r} is no file name")
    return Path(input_name).stem


def trained(out: Path, name: str, scale_factor: float, alpha: float) -> Path:
    """The trained model of the picture ``name``."""
    return out / "TrainedModels" / name / f"scale_factor={scale_factor:f},alpha={alpha:g}"


def random_samples(out: Path, name: str, start_scale: int) -> Path:
    """Random samples of the training image's size."""
    return out / "RandomSamples" / name / f"gen_start_scale={start_scale}"


def arbitrary_sizes(out: Path, name: str, scale_v: float, scale_h: float, start_scale: int = 0) -> Path:
    """Random samples of another size; a start scale above 0, which the authors lack, adds its own part."""
    size = f"scale_v={scale_v:f}_scale_h={scale_h:f}"
    start = f"_gen_start_scale={start_scale}" if start_scale else ""
    return out / "RandomSamples_ArbitrerySizes" / name / (size + start)  # the authors' spelling
