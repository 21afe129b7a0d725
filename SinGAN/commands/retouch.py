"""Put a reference into a trained SinGAN: harmonization of a pasted object, editing."""

from pathlib import Path

from torch import Tensor

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.manipulate import Retouched
from SinGAN.options.applications import EditingOptions, HarmonizationOptions
from SinGAN.pictures import images, masks
from SinGAN.runs.results import by_scale, write_results
from SinGAN.runs.run import Run
from SinGAN.storage import layout


def harmonize(run: Run, options: HarmonizationOptions) -> None:
    """Write the reference harmonized at each of the scales."""
    result = retouched(run, options, masks.HARMONIZATION_RADIUS)
    folder = layout.harmonization(run.out, run.name, options.ref_name)
    write(folder, result, by_scale(result.blended))
    print(f"random seed: {run.seed}\nharmonized pictures: {folder}")


def edit(run: Run, options: EditingOptions) -> None:
    """Write the reference edited at each of the scales: whole, and blended into the picture."""
    result = retouched(run, options, masks.EDITING_RADIUS)
    folder = layout.editing(run.out, run.name, options.ref_name)
    write(folder, result, by_scale(result.generated) | by_scale(result.blended, "_masked"))
    print(f"random seed: {run.seed}\nedited pictures: {folder}")


def retouched(run: Run, options: HarmonizationOptions, radius: int) -> Retouched:
    """The reference put in at the scales asked for; its mask grows by ``radius`` pixels."""
    _, pyramid = run.load()
    scales = manipulate.injection_scales(pyramid, options.start_scales)
    path, real = options.ref_dir / options.ref_name, pyramid.scales[-1].real
    reference = images.read_like(path, real)
    marks, origin = masks.marks_of(path, reference, real)
    mask = masks.soft_mask(marks, radius).to(real.device)
    result = manipulate.retouch(pyramid, reference, mask, scales, run.fresh_rng(), options.num_samples)
    print(origin)
    return result


def write(folder: Path, result: Retouched, pictures: dict[str, Tensor]) -> None:
    """Write ``pictures`` by name, the reference and the mask."""
    firsts = {"original": result.real, "reference": result.reference}
    write_results(folder, firsts, pictures, {"mask_dilated": result.mask * 2 - 1})


main_harmonize = Command("harmonize", harmonize)
main_edit = Command("edit", edit)
