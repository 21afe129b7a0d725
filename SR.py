"""Enlarge a picture, with detail from a SinGAN that is trained on it."""

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

import config
from SinGAN import manipulate
from SinGAN.pictures import images
from SinGAN.pictures import similarity as measures
from SinGAN.pyramid import Pyramid
from SinGAN.runs import obtain as jobs
from SinGAN.runs import recorder as records
from SinGAN.runs.run import Run
from SinGAN.storage import layout

MANY_SCALES = 30  # factors near 1 enlarge in one small step, and so ask for as small steps between the scales


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, ["SR"], input_name="coffee_LR.png")
    add_flags(parser)
    run, args = config.parse(parser, argv, __file__)
    _, step = manipulate.enlargement_steps(args.sr_factor)
    run = run.with_scale_factor(1 / step)
    owner = run.of_picture(args.model_name or args.input_name)
    owner = owner.adopting(owner.model)
    image = images.read(run.picture, owner.net.channels, opaque=True).to(run.device)
    small = manipulate.reduce(image, owner.pyramid.max_size)
    truth = read_truth(args.ground_truth, small, args.sr_factor)
    pyramid = obtain(owner, named=args.model_name is not None)
    if args.model_name is None:
        small = pyramid.scales[-1].real
    if small.shape != image.shape:
        print(f"{run.picture} is reduced to {small.shape[-2]} x {small.shape[-1]} first: raise --max_size to keep it")
    result = manipulate.super_resolve(pyramid, small, args.sr_factor, run.fresh_rng())
    lines = [] if truth is None else compare(result, manipulate.bicubic(small, args.sr_factor), truth)
    place = layout.super_resolution(run.out, run.name, args.sr_factor)
    records.write_results(place.parent, small, {place.stem: result})
    print(f"random seed: {run.seed}", *lines, f"enlarged to {result.shape[-2]} x {result.shape[-1]}: {place}", sep="\n")


def add_flags(parser: config.Parser) -> None:
    """SR's own flags, and the defaults that its trainings differ in."""
    parser.set_defaults(min_size=18, alpha=100.0)
    add = parser.add_argument_group("super resolution").add_argument
    add("--sr_factor", type=config.number(float, 1, strict=True), default=4.0, help="enlargement [%(default)g]")
    add("--ground_truth", type=Path, help="the true large picture: prints PSNR, SSIM and RMSE against it")
    add("--model_name", help="use the model of this picture instead [--input_name]")


def obtain(run: Run, named: bool) -> Pyramid:
    """The model, trained where there is none; one that is ``named`` serves without its picture."""
    if named and run.model.exists() and not run.overwrite:
        return run.load("SR")[1]
    job = run.job(run.model, "SR")
    if len(job.plan.sizes) > MANY_SCALES:
        print(f"note: this trains {len(job.plan.sizes)} scales; --scale_factor 0.75 would train fewer")
    if run.overwrite or not job.is_done():
        print("*** Train SinGAN for SR ***")
    return jobs.obtain(job, run.overwrite)


def read_truth(path: Path | None, small: Tensor, factor: float) -> Tensor | None:
    """The picture at ``path``, if there is one; it must show what ``small`` (1, C, H, W), enlarged, shows."""
    if path is None:
        return None
    truth = images.read(path, small.shape[1], opaque=True)
    size = int(factor * small.shape[-2]), int(factor * small.shape[-1])
    measures.check_sizes(size, (truth.shape[-2], truth.shape[-1]))
    return truth


def compare(result: Tensor, bicubic: Tensor, truth: Tensor) -> list[str]:
    """A line each for the enlarged picture and its bicubic rival, against the true one."""
    return [
        f"{name:8} PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}, RMSE {score.rmse:.2f} levels"
        for name, score in (("SinGAN", measures.compare(result, truth)), ("bicubic", measures.compare(bicubic, truth)))
    ]


if __name__ == "__main__":
    main()
