"""Enlarge a picture, with detail from a SinGAN that is trained on it."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

import config
from SinGAN import images, jobs, layout, manipulate, measures, records
from SinGAN.pyramid import Pyramid
from SinGAN.run import Run
from SinGAN.terminal import script


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = config.parser(__doc__, ["SR"], input_name="coffee_LR.png")
    config.add_super_resolution_flags(parser)
    run, args = config.parse(parser, argv)
    _, step = manipulate.enlargement_steps(args.sr_factor)
    run = run.with_scale_factor(1 / step)
    truth = read_truth(run, args.ground_truth, args.sr_factor)
    pyramid = obtain(run.of_picture(args.model_name or args.input_name), named=args.model_name is not None)
    image = pyramid.scales[-1].real
    if args.model_name:
        image = manipulate.reduce(images.read(run.picture, image.shape[1], opaque=True), run.pyramid.max_size)
    if max(images.size(run.picture)) > max(image.shape[-2:]):
        print(f"{run.picture} is reduced to {image.shape[-2]} x {image.shape[-1]} first: raise --max_size to keep it")
    result = manipulate.super_resolve(pyramid, image.to(run.device), args.sr_factor, run.rng)
    lines = compare(result, manipulate.bicubic(image, args.sr_factor), truth) if truth is not None else []
    place = layout.super_resolution(run.out, run.name, args.sr_factor)
    records.write_results(place.parent, image, {place.stem: result})
    print(*lines, f"enlarged to {result.shape[-2]} x {result.shape[-1]}: {place}", sep="\n")


def obtain(run: Run, named: bool) -> Pyramid:
    """The model, trained where there is none; one that is ``named`` serves without its picture."""
    if named and run.model.exists() and not run.overwrite:
        return run.load("SR")[1]
    job = run.adopting(run.model).job(run.model, "SR")
    if run.overwrite or not job.is_done():
        print(f"*** Train SinGAN for SR ***\nrandom seed: {run.seed}")
    return jobs.obtain(job, run.rng, run.overwrite)


def read_truth(run: Run, path: Path | None, factor: float) -> Tensor | None:
    """The picture at ``path``, if there is one; it must show what the enlarged one will."""
    if path is None:
        return None
    truth = images.read(path, run.net.channels, opaque=True)
    height, width = images.size(run.picture)
    ratio = factor * min(run.pyramid.max_size / max(height, width), 1.0)
    measures.check_sizes((int(ratio * height), int(ratio * width)), (truth.shape[-2], truth.shape[-1]))
    return truth


def compare(result: Tensor, bicubic: Tensor, truth: Tensor) -> list[str]:
    """A line each for the enlarged picture and its bicubic rival, against the true one."""
    return [
        f"{name:8} PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}, RMSE {score.rmse:.2f} levels"
        for name, score in (("SinGAN", measures.compare(result, truth)), ("bicubic", measures.compare(bicubic, truth)))
    ]


if __name__ == "__main__":
    main()
