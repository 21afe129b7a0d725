"""Enlarge a picture, with detail from a SinGAN that is trained on it."""

from pathlib import Path

from torch import Tensor

from SinGAN import manipulate
from SinGAN.commands.command import Command
from SinGAN.options.applications import SuperResolutionOptions
from SinGAN.options.tasks import SUPER_RESOLUTION
from SinGAN.pictures import images, similarity
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.results import write_results
from SinGAN.runs.run import Run
from SinGAN.runs.training import load_or_train
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import nearest
from SinGAN.terminal.watchers import watcher

MANY_SCALES = 30  # factors near 1 enlarge in one small step, and so ask for as small steps between the scales


def super_resolve(run: Run, options: SuperResolutionOptions) -> None:
    """Write the picture enlarged; print how near it is to the true one, where that is known."""
    _, step = manipulate.enlargement_steps(options.sr_factor)
    run = run.with_scale_factor(1 / step)
    owner = run.of_picture(options.model_name or run.input_name)
    owner = owner.with_options_of(ModelFolder.find(owner.model))
    image = images.read(run.picture, owner.options.nc_im, opaque=True).to(run.device)
    small = manipulate.reduce(image, owner.options.max_size)
    truth = read_truth(options.ground_truth, small, options.sr_factor)
    pyramid = model_of(owner, named=options.model_name is not None)
    if options.model_name is None:
        small = pyramid.scales[-1].real
    if small.shape != image.shape:
        print(f"{run.picture} is reduced to {small.shape[-2]} x {small.shape[-1]} first: raise --max_size to keep it")
    result = manipulate.super_resolve(
        pyramid, small, options.sr_factor, run.fresh_rng(), options.num_samples, options.back_projection
    )
    lines = [] if truth is None else compare(result, manipulate.bicubic(small, options.sr_factor), truth)
    place = layout.super_resolution(run.out, run.name, options.sr_factor)
    write_results(place.parent, {}, {place.stem: result})
    print(f"random seed: {run.seed}", *lines, f"enlarged to {result.shape[-2]} x {result.shape[-1]}: {place}", sep="\n")


def model_of(run: Run, named: bool) -> Pyramid[TrainedScale]:
    """The model, trained where there is none; one that is ``named`` serves without its picture."""
    if named and run.model.exists() and not run.settings.overwrite:
        return run.load(SUPER_RESOLUTION)[1]
    training = run.training(run.model, SUPER_RESOLUTION)
    if len(training.plan.sizes) > MANY_SCALES:
        print(f"note: this trains {len(training.plan.sizes)} scales; --scale_factor 0.75 would train fewer")
    if run.settings.overwrite or not training.is_done():
        print("*** Train SinGAN for SR ***")
    return load_or_train(training, overwrite=run.settings.overwrite, watcher=watcher())


def read_truth(path: Path | None, small: Tensor, factor: float) -> Tensor | None:
    """The picture at ``path``, if there is one; it must show what ``small`` (1, C, H, W), enlarged, shows."""
    if path is None:
        return None
    if not path.exists():
        raise FileNotFoundError(f"no true picture {path}{nearest(path)} (`ground_truth`)")
    truth = images.read(path, small.shape[1], opaque=True)
    size = int(factor * small.shape[-2]), int(factor * small.shape[-1])
    similarity.check_sizes(size, (truth.shape[-2], truth.shape[-1]))
    return truth


def compare(result: Tensor, bicubic: Tensor, truth: Tensor) -> list[str]:
    """A line each for the enlarged picture and its bicubic rival, against the true one."""
    pictures = {"SinGAN": result, "bicubic": bicubic, "truth": truth}
    scores = {name: (similarity.compare(image, truth), similarity.blur(image)) for name, image in pictures.items()}
    return [
        f"{name:8} PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}, RMSE {score.rmse:.2f} levels, blur {blur:.3f}"
        for name, (score, blur) in scores.items()
    ]


main = Command("super-resolve", super_resolve)
