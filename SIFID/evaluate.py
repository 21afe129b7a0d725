"""Measure a trained model's samples, or one set of pictures against another."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the project's modules are

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts("evaluate")  # before the imports that take seconds


import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from tqdm import tqdm

from SIFID import evaluation, fidelity, pairs
from SIFID.evaluation import Evaluation, Lpips
from SIFID.inception import check_size, trained_inception
from SinGAN import manipulate
from SinGAN.engines.engine import use_precision
from SinGAN.options.measures import EvaluationOptions
from SinGAN.patches.makers import Trained
from SinGAN.pictures import images
from SinGAN.pictures.layers import Layers
from SinGAN.runs.run import Run
from SinGAN.runs.source import choose_source
from SinGAN.storage import hashes, layout
from SinGAN.storage.files import write_json
from SinGAN.storage.recovery import whole_folder
from SinGAN.terminal.flags import make_parser, read_options
from SinGAN.terminal.messages import say
from SinGAN.terminal.parse import parse
from SinGAN.terminal.several import check_links, run_several
from SinGAN.terminal.table import table

LOG = logging.getLogger("SIFID.evaluate")  # also where this file is run as a script
FID_SET = 2048  # pictures; with fewer the covariance of as many features is singular


def run(argv: Sequence[str]) -> None:
    """Measure the model or the sets that ``argv`` names."""
    asked = parse(make_parser("evaluate"), argv)
    options = read_options(EvaluationOptions, asked.args)
    if options.path2real or options.path2fake or options.results:
        compare_sets(options, asked.device, asked.args.out)
    elif len(asked.runs) > 1 or asked.args.ray:
        raise SystemExit(run_several(asked, "evaluate"))
    elif asked.runs:
        check_links(asked.run, "evaluate")
        with use_precision(asked.run.settings.precision, asked.device):
            evaluate_model(asked.run, options)
    else:
        raise ValueError(
            "nothing to measure: name a model with `input_name`, or two sets with `path2real`, `path2fake`"
        )


def evaluate_model(run: Run, options: EvaluationOptions) -> None:
    """Measure samples of the model that ``run`` names, and its reconstruction."""
    source = choose_source(run, options, draws=True, measured=True)
    real, layers = images.to_floats(source.real), source.layers
    if layers is not None:
        real = layers.to_floats(real).float()
        layers = run.viewed(replace(layers, raw=False), real)
    starts = manipulate.start_scales(source.maker, options.gen_start_scale)
    size = real.shape[-2], real.shape[-1]
    check_size(*size, options.dims)
    net, lpips = sifid_net(options.dims, options.weights), lpips_measure(options.lpips)
    net = net and net.to(run.device)
    evaluations, samples = [], {}
    for start in tqdm(starts, unit="start scale", disable=None):
        drawn = source.maker.sample(run.fresh_rng(), options.num_samples, start)
        samples[start] = evaluation.round_like_files(drawn, run.device, source.layers)
        evaluations.append(evaluation.evaluate(samples[start], real, start, net, lpips, layers))
    manifest = source.manifest
    score = evaluation.reconstruction(source.maker.pyramid, layers) if isinstance(source.maker, Trained) else None
    channels = evaluation.describe_channels(layers)
    sha256 = hashes.sha256(run.picture.read_bytes()) if manifest is None else manifest.sha256
    report: dict[str, object] = {
        "model": None if manifest is None else str(run.model),
        "method": options.method + (", refined" if options.refine else ""),
        "settings": source.label,
        "picture": {"file": run.picture.name if manifest is None else manifest.picture, "sha256": sha256},
        "size": list(size),
        "num_samples": options.num_samples,
        "seed": run.seed,
        "sifid": None if net is None else {"dims": options.dims, "weights": str(options.weights or "IMAGENET1K_V1")},
        "reconstruction": score and {"psnr": finite_or_none(score.psnr), "ssim": score.ssim, "rmse": score.rmse},
        **({"channels": channels.replace("`", "")} if channels else {}),
        "start_scales": [evaluation.as_json(measures) for measures in evaluations],
    }
    folder = layout.evaluation(run.out, run.name)
    folder = folder / source.label if source.label else folder
    write(folder, report, real, samples, layers)
    if channels:
        LOG.info(channels)
    say(*table(evaluation.table_rows(evaluations, size), right=True))
    rebuilt = f"reconstruction: PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}; " if score else ""
    say(f"{rebuilt}random seed: {run.seed}")
    print_copies(evaluations)
    say(f"numbers, heat maps and contact sheets: {folder}")


def sifid_net(dims: int, file: Path | None) -> nn.Module | None:
    """The net for SIFID; None, with a log message, if its weights can't be downloaded and no ``file`` is given."""
    try:
        return trained_inception(dims, file)
    except FileNotFoundError as error:
        if file is not None:
            raise
        LOG.info(f"SIFID is left out: {error}, or name a file with `weights`")
        return None


def lpips_measure(download: bool) -> Lpips | None:
    """LPIPS between samples; None, with a log message, if its weights are missing and ``download`` is false."""
    missing = fidelity.lpips_missing()
    if missing and not download:
        LOG.info(f"LPIPS is left out: its weights are missing (`lpips` downloads them): {', '.join(missing)}")
        return None
    return fidelity.lpips_diversity, fidelity.lpips_pairs


def print_copies(evaluations: Sequence[Evaluation]) -> None:
    """Print the start scales whose samples are near-copies of the training picture, if there are any."""
    copies = [measures for measures in evaluations if measures.textured_copy_score >= evaluation.COPIES]
    if copies:
        starts = ", ".join(f"{measures.start_scale} ({measures.textured_copy_score:.0%})" for measures in copies)
        say(
            "near-copies: most textured patches are the training picture's at the same place, "
            f"from start scale {starts}"
        )


def finite_or_none(number: float) -> float | None:
    """``number``, or None if it is infinite or NaN, which JSON does not allow."""
    return number if abs(number) < float("inf") else None


def write(
    folder: Path, report: dict[str, object], real: Tensor, samples: dict[int, Tensor], layers: Layers | None = None
) -> None:
    """Write ``folder``: ``evaluation.json``, and a heat map and a contact sheet for each start scale."""
    with whole_folder(folder) as draft:
        write_json(draft / "evaluation.json", report)
        for start, batch in samples.items():
            images.write_levels(
                draft / f"start_scale={start}_samples.png", evaluation.samples_sheet(batch, real, layers)
            )
        for start, figure in evaluation.deviation_plots(samples, layers).items():
            figure.savefig(draft / f"start_scale={start}_deviation.png", dpi=110)


def compare_sets(options: EvaluationOptions, device: torch.device, out: Path) -> None:
    """Measure one set of pictures against another."""
    file = layout.set_metrics(out)
    layout.guard(out, [file])
    if options.results is not None:
        if options.path2real or options.path2fake:
            raise ValueError("`results` names both sets: leave `path2real` and `path2fake` out")
        images_there = options.results / "images"
        options = replace(options, path2real=images_there, path2fake=images_there)
    if options.path2fake is None or (options.path2real is None and options.metrics != ("isc",)):
        raise ValueError("two sets are compared: name both `path2real` and `path2fake`")
    if options.results is not None and options.images_suffix is not None:
        raise ValueError("`results` names both sets: leave `images_suffix` out")
    real_suffix, fake_suffix = ("_real_B.png", "_fake_B.png") if options.results else (options.images_suffix,) * 2
    real = [] if options.path2real is None else pairs.pictures(options.path2real, real_suffix)
    fake = pairs.pictures(options.path2fake, fake_suffix)
    values = fidelity.set_metrics(real, fake, options.metrics, options.weights, device)
    report = {"real": [str(options.path2real), len(real)], "fake": [str(options.path2fake), len(fake)], **values}
    write_json(file, report)
    say(*(f"{name}: {value:.6g}" for name, value in values.items()))
    say(f"{len(fake)} generated pictures, {len(real)} real ones: {file}")
    if "fid" in options.metrics and min(len(fake), len(real)) < FID_SET:
        say(f"note: FID of fewer than {FID_SET} pictures is too high: compare it with sets of the same sizes only")


main = script(run, start_scale="gen_start_scale")

if __name__ == "__main__":
    main()
