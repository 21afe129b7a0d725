"""Tasks without training: other proportions, filled holes, extended pictures, analogies and tiles."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from SinGAN.commands.command import Command
from SinGAN.commands.sample import Enlargement, as_size
from SinGAN.commands.source import has_own_size, untrained
from SinGAN.options.applications import INSTANT, PatchOptions
from SinGAN.options.instant import (
    AnalogyOptions,
    InpaintOptions,
    OutpaintOptions,
    RetargetOptions,
    TileOptions,
    margin_pixels,
)
from SinGAN.patches.instant import Instant
from SinGAN.patches.levels import limited
from SinGAN.patches.published import Published
from SinGAN.pictures import images, masks
from SinGAN.runs.results import write_results
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage.files import nearest

PREVIEW = 800  # pixels, the longer side of a tile in its preview


def retarget(run: Run, options: RetargetOptions) -> None:
    """Write the picture in other proportions."""
    engine, label = engine_of(run, options)
    height, width = engine.real.shape[-2:]
    titles: dict[str, Enlargement] = {
        f"size={text.lower()}": (as_size(text)[0] / height, as_size(text)[1] / width) for text in options.size
    } or {f"scale_v={options.scale_v:f}_scale_h={options.scale_h:f}": (options.scale_v, options.scale_h)}
    for title, enlargement in titles.items():
        pictures = engine.retarget(run.fresh_rng(), options.num_samples, enlargement)
        folder = layout.of_method(layout.retargeted(run.out, run.name, title), label)
        write(folder, pictures, options.num_samples, {"original": engine.real})
        print(f"random seed: {run.seed}\nretargeted pictures: {folder}")


def inpaint(run: Run, options: InpaintOptions) -> None:
    """Write the picture with what its mask marks made anew, in several variants."""
    engine, label = engine_of(run, options)
    real, file = engine.real, options.mask or masks.find_mask(run.picture)
    if file is None:
        raise FileNotFoundError(
            f"no mask {run.picture.with_name(f'{run.picture.stem}_mask.png')}: draw there, white on black, "
            "what is to come anew, or name another file with `mask`"
        )
    if not file.exists():
        raise FileNotFoundError(f"no mask {file}{nearest(file)} (`mask`)")
    marks = masks.checked(masks.marked(images.read_like(file, real, channels=3)), str(file))
    hole = masks.exact_mask(marks).to(real)
    fill = engine.colour(options.fill) if options.fill else None
    pictures = engine.inpaint(hole, fill, run.fresh_rng(), options.num_samples)
    folder = layout.of_method(layout.inpainted(run.out, run.name, file.name), label)
    white = real.max() if fill is None else fill
    shown = {"original": real, "hole": torch.where(hole > 0, white, real)}
    write(folder, pictures, options.num_samples, shown)
    print(f"mask: {file}\nrandom seed: {run.seed}\npictures with the hole filled: {folder}")


def outpaint(run: Run, options: OutpaintOptions) -> None:
    """Write the picture extended beyond its edges, in several variants."""
    engine, label = engine_of(run, options)
    height, width = engine.real.shape[-2:]
    lengths = {"top": height, "bottom": height, "left": width, "right": width}
    margins = {side: margin_pixels(getattr(options, side), length) for side, length in lengths.items()}
    if not any(margins.values()):
        raise ValueError("nothing to extend: name a margin with `left`, `right`, `top` or `bottom`, as 50%")
    top, bottom, left, right = margins.values()
    pictures = engine.outpaint((top, bottom, left, right), run.fresh_rng(), options.num_samples)
    title = ",".join(f"{side}={pixels}" for side, pixels in margins.items() if pixels)
    folder = layout.of_method(layout.outpainted(run.out, run.name, title), label)
    write(folder, pictures, options.num_samples, {"original": engine.real}, extras={"original": engine.real})
    print(f"random seed: {run.seed}\nextended pictures: {folder}")


def analogy(run: Run, options: AnalogyOptions) -> None:
    """Write pictures with the reference's structure and the picture's texture."""
    engine, label = engine_of(run, options)
    real = engine.real
    levels = images.read_levels(options.ref_dir / options.ref_name, real.shape[1], opaque=True)
    is_own = options.method == INSTANT and has_own_size(run)
    levels = limited(levels, max(real.shape[-2:]) if is_own else run.options.max_size)
    structure = images.as_8_bits(levels) if real.dtype == torch.uint8 else images.to_tensor(levels).to(real.device)
    pictures = engine.analogy(structure, run.fresh_rng(), options.num_samples)
    folder = layout.of_method(layout.analogy(run.out, run.name, options.ref_name), label)
    write(folder, pictures, options.num_samples, {"the picture": real, "the structure": structure})
    print(f"random seed: {run.seed}\nanalogies: {folder}")


def tile(run: Run, options: TileOptions) -> None:
    """Write tiles, and a preview of each, laid side by side."""
    engine, label = engine_of(run, options)
    enlargement = options.scale_v, options.scale_h
    pictures = engine.tile(run.fresh_rng(), options.num_samples, enlargement)
    title = f"scale_v={options.scale_v:f}_scale_h={options.scale_h:f}"
    folder = layout.of_method(layout.tile(run.out, run.name, title), label)
    write(folder, pictures, options.num_samples, {}, repeat=options.repeat)
    times = f"{options.repeat} x {options.repeat}"
    print(f"random seed: {run.seed}\ntiles, and {times} of each as a preview: {folder}")


def engine_of(run: Run, options: PatchOptions) -> tuple[Instant | Published, str]:
    """What makes the pictures, and the label of its results."""
    source = untrained(run, options)
    assert isinstance(source.maker, Instant | Published)
    return source.maker, source.label


def write(
    folder: Path,
    pictures: Iterator[Tensor],
    count: int,
    firsts: dict[str, Tensor],
    repeat: int = 1,
    extras: dict[str, Tensor] | None = None,
) -> None:
    """Write ``pictures`` (1, C, H, W) as 0.png, 1.png, .., and ``extras`` by name.

    With ``repeat`` there is a preview of each, so many times down and across.
    """
    made = list(tqdm(pictures, total=count, unit="picture", disable=None, leave=False))
    named = {str(index): picture for index, picture in enumerate(made)}
    previews = {
        f"{name}_{repeat}x{repeat}": reduced(picture).repeat(1, 1, repeat, repeat) for name, picture in named.items()
    }
    write_results(folder, firsts, named, previews if repeat > 1 else extras)


def reduced(picture: Tensor) -> Tensor:
    """``picture`` (1, C, H, W) for a preview: at most ``PREVIEW`` pixels high and wide."""
    ratio = PREVIEW / max(picture.shape[-2:])
    size = round(ratio * picture.shape[-2]), round(ratio * picture.shape[-1])
    return picture if ratio >= 1 else images.resized(picture, (max(1, size[0]), max(1, size[1])))


main_retarget = Command("retarget", retarget)
main_inpaint = Command("inpaint", inpaint)
main_outpaint = Command("outpaint", outpaint)
main_analogy = Command("analogy", analogy)
main_tile = Command("tile", tile)
