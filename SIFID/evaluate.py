"""Measure a trained model's samples, or one set of pictures against another."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the project's modules are

from SinGAN.terminal.script import quiet_interrupts, script

if __name__ == "__main__":
    quiet_interrupts()  # before the imports that take seconds


import json
from collections.abc import Sequence

from torch import Tensor, nn
from tqdm import tqdm

import config
from SIFID import evaluation, fidelity, pairs
from SIFID.evaluation import Evaluation
from SIFID.inception import check_size, trained_inception
from SIFID.sifid_score import add_inception_flags
from SinGAN import manipulate
from SinGAN.engines import engine as engines
from SinGAN.pictures import images
from SinGAN.runs.run import Run
from SinGAN.storage import layout
from SinGAN.storage import pretrained as weights
from SinGAN.storage.files import whole_file, whole_folder

FID_SET = 2048  # pictures: below, the covariance of as many features is singular


@script
def main(argv: Sequence[str] | None = None) -> None:
    parser = flags()
    args = parser.parse_args(argv)
    if args.path2real or args.path2fake:
        compare_sets(args)
    elif args.input_name:
        evaluate_model(*config.parse(parser, argv, __file__))
    else:
        raise ValueError(
            "nothing to measure: name a model with --input_name, or two sets with --path2real, --path2fake"
        )


def flags() -> config.Parser:
    """What names a model, the measures of its samples, and two sets of pictures instead."""
    made = config.parser(__doc__, ["evaluate"], input_name="")
    add = made.add_argument_group("samples").add_argument
    scale = config.scale_or_all(0)
    add("--gen_start_scale", type=scale, nargs="+", default=[0], help="first scales with fresh noise, or: all [0]")
    add("--num_samples", type=config.count, default=50, help="samples from each [%(default)s]")
    add("--lpips", action="store_true", help="download the weights for LPIPS, half a GB, where they are lacking")
    add_inception_flags(made)
    add = made.add_argument_group("sets of pictures, instead of a model").add_argument
    add("--path2real", type=Path, help="folder of the real pictures")
    add("--path2fake", type=Path, help="folder of the generated pictures")
    add("--images_suffix", help="how the names end of the files that count, as jpg [every picture]")
    add("--metrics", nargs="+", choices=fidelity.METRICS, default=[*fidelity.METRICS], help="[isc fid kid]")
    return made


def evaluate_model(run: Run, args: config.Flags) -> None:
    manifest, pyramid = run.load()
    starts = start_scales(args.gen_start_scale, len(pyramid))
    check_size(*pyramid.scales[-1].size, args.dims)
    net, lpips = sifid_net(args.dims, args.weights), lpips_measure(args.lpips)
    net = net and net.to(run.device)
    real, found, pictures = pyramid.scales[-1].real, [], {}
    for start in tqdm(starts, unit="start scale", disable=None):
        samples = evaluation.draw_samples(pyramid, run.fresh_rng(), args.num_samples, start)
        found.append(evaluation.evaluate(samples, real, start, net, lpips))
        pictures[start] = samples
    score = evaluation.reconstruction(pyramid)
    report = {
        "model": str(run.model),
        "picture": {"file": manifest.picture, "sha256": manifest.sha256},
        "size": list(pyramid.scales[-1].size),
        "num_samples": args.num_samples,
        "seed": run.seed,
        "sifid": None if net is None else {"dims": args.dims, "weights": str(args.weights or "IMAGENET1K_V1")},
        "reconstruction": {"psnr": finite(score.psnr), "ssim": score.ssim, "rmse": score.rmse},
        "start_scales": [evaluation.as_json(one) for one in found],
    }
    folder = layout.evaluation(run.out, run.name)
    write(folder, report, real, pictures)
    print(*evaluation.table(found, pyramid.scales[-1].size), sep="\n")
    print(f"reconstruction: PSNR {score.psnr:.2f} dB, SSIM {score.ssim:.4f}; random seed: {run.seed}")
    warn_of_copies(found)
    print(f"numbers, heat maps and contact sheets: {folder}")


def start_scales(asked: Sequence[int | None], scales: int) -> list[int]:
    """The start scales ``asked`` for, None standing for all, in order; a ValueError where the model lacks one."""
    if None in asked:
        return list(range(scales))
    chosen = sorted({start for start in asked if start is not None})
    for start in chosen:
        manipulate.check_start_scale(start, scales, "--gen_start_scale")
    return chosen


def sifid_net(dims: int, file: Path | None) -> nn.Module | None:
    """The net for SIFID, or None, and a line, where its weights can't be had and no file was named."""
    try:
        return trained_inception(dims, file)
    except FileNotFoundError as error:
        if file is not None:
            raise
        print(f"SIFID is left out: {error}, or name a file with --weights")
        return None


def lpips_measure(download: bool) -> evaluation.Lpips | None:
    """LPIPS between samples, or None, and a line, where its weights are lacking and no ``download`` is asked for."""
    try:
        lacking = [url for url in fidelity.lpips_files() if not weights.cached(url).exists()]
    except ValueError as error:
        lacking = [str(error)]
    if lacking and not download:
        print(f"LPIPS is left out: its weights are not there (--lpips downloads them): {', '.join(lacking)}")
        return None
    return fidelity.lpips_diversity


def warn_of_copies(found: Sequence[Evaluation]) -> None:
    copies = [one for one in found if one.textured_copy_score >= evaluation.COPIES]
    if copies:
        named = ", ".join(f"{one.start_scale} ({one.textured_copy_score:.0%})" for one in copies)
        print(
            f"near-copies: most textured patches are the training picture's at the same place, from start scale {named}"
        )


def finite(number: float) -> float | None:
    return number if abs(number) < float("inf") else None


def as_text(report: dict[str, object]) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, report: dict[str, object], real: Tensor, samples: dict[int, Tensor]) -> None:
    """Write ``evaluation.json`` and, for each start scale, the heat map and the contact sheet as ``folder``."""
    with whole_folder(folder) as draft:
        (draft / "evaluation.json").write_text(as_text(report), encoding="utf-8")
        for start, drawn in samples.items():
            images.write_levels(draft / f"start_scale={start}_samples.png", evaluation.samples_sheet(drawn, real))
            evaluation.deviation_plot(drawn).savefig(draft / f"start_scale={start}_deviation.png", dpi=110)


def compare_sets(args: config.Flags) -> None:
    if args.path2fake is None or (args.path2real is None and args.metrics != ["isc"]):
        raise ValueError("two sets are compared: name both --path2real and --path2fake")
    real = [] if args.path2real is None else pairs.pictures(args.path2real, args.images_suffix)
    fake = pairs.pictures(args.path2fake, args.images_suffix)
    device = engines.choose_device(args.device, args.not_cuda)
    found = fidelity.set_metrics(real, fake, args.metrics, args.weights, device)
    report = {"real": [str(args.path2real), len(real)], "fake": [str(args.path2fake), len(fake)], **found}
    file = layout.set_metrics(args.out)
    with whole_file(file) as draft:
        draft.write_text(as_text(report), encoding="utf-8")
    print(*(f"{name}: {value:.6g}" for name, value in found.items()), sep="\n")
    print(f"{len(fake)} generated pictures, {len(real)} real ones: {file}")
    if "fid" in args.metrics and min(len(fake), len(real)) < FID_SET:
        print(f"note: FID of fewer than {FID_SET} pictures is too high: compare it with sets of the same sizes only")


if __name__ == "__main__":
    main()
