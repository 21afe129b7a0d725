"""The options of the tasks that only patches do: nothing is trained for them."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from SinGAN.options.applications import COUNT, SIZE, PatchOptions, reference_folder
from SinGAN.options.option import option


@dataclass(frozen=True, kw_only=True)
class RetargetOptions(PatchOptions):
    """Other proportions, without stretching."""

    scale_h: float = option(1.5, "width, in pictures", group="retargeting", above=0)
    scale_v: float = option(1.0, "height, in pictures", group="retargeting", above=0)
    size: tuple[str, ...] = option(
        (), "in place of these: width x height in pixels, as 400x200; one or several", group="retargeting", **SIZE
    )
    num_samples: int = option(1, "pictures of each size", group="retargeting", **COUNT)


def margin(side: str, length: str) -> Any:
    """How far the canvas is extended at one ``side``."""
    words = f"how far to extend the picture at the {side}: pixels, as 20, or percent of its {length}, as 50%"
    return option("0", words, group="outpainting", pattern=r"\d{1,5}%?", meant="pixels, as 20, or percent, as 50%")


def margin_pixels(text: str, length: int) -> int:
    """The pixels of a margin, the value of an option of ``OutpaintOptions``; ``length`` is the side's own."""
    return round(length * int(text[:-1]) / 100) if text.endswith("%") else int(text)


@dataclass(frozen=True, kw_only=True)
class InpaintOptions(PatchOptions):
    """A hole, made from the rest."""

    mask: Path | None = option(
        None, "picture that is white where something new is to come", group="inpainting", unset="<picture>_mask"
    )
    fill: tuple[int, ...] = option(
        (), "colour that the hole starts from, as 90 140 60: it decides what comes there (not with denoise)",
        group="inpainting", least=0, most=255, unset="the colours round the hole",
    )  # fmt: skip
    num_samples: int = option(3, "variants", group="inpainting", **COUNT)


@dataclass(frozen=True, kw_only=True)
class OutpaintOptions(PatchOptions):
    """A larger canvas."""

    left: str = margin("left", "width")
    right: str = margin("right", "width")
    top: str = margin("top", "height")
    bottom: str = margin("bottom", "height")
    num_samples: int = option(3, "variants", group="outpainting", **COUNT)


@dataclass(frozen=True, kw_only=True)
class AnalogyOptions(PatchOptions):
    """The structure of one picture, the texture of another."""

    ref_name: str = option(MISSING, "the structure: a file in --ref_dir", group="analogy")
    ref_dir: Path = reference_folder("Images")
    num_samples: int = option(1, "how many", group="analogy", **COUNT)


@dataclass(frozen=True, kw_only=True)
class TileOptions(PatchOptions):
    """A tile that repeats without a seam."""

    scale_h: float = option(1.0, "width, in pictures", group="tile", above=0)
    scale_v: float = option(1.0, "height, in pictures", group="tile", above=0)
    repeat: int = option(3, "rows and columns of the preview", group="tile", least=1, most=20)
    num_samples: int = option(1, "how many", group="tile", **COUNT)
