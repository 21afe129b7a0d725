"""The commands of paired translation: train, test and draw."""

import importlib.util
import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from Pix2Pix.data.layouts import find_pairs
from Pix2Pix.options import DrawOptions, TestOptions, TrainOptions, UseOptions
from Pix2Pix.request import make_request, model_name
from Pix2Pix.runs import record
from Pix2Pix.runs.testing import Translator, column_means, translate_folder, translate_pairs, write_results
from Pix2Pix.terminal import make_parser
from SinGAN.engines.engine import EngineSettings, choose_device, use_precision
from SinGAN.storage import layout
from SinGAN.terminal.flags import read_options
from SinGAN.terminal.messages import say
from SinGAN.terminal.script import script
from SinGAN.terminal.watchers import watcher


def train(argv: Sequence[str]) -> None:
    """Train the model that ``argv`` asks for."""
    args, given = make_parser("train").parse_given(argv)
    options: TrainOptions = read_options(TrainOptions, args)
    device = choose_device(options.device, options.not_cuda)
    if options.engine == "compiled":
        raise ValueError("`engine` compiled does not support translation: leave it out")
    settings = EngineSettings(options.engine if device.type == "cuda" else "eager", options.precision, "never", "never")
    settings.check(device)
    asked, name = make_request(options, given, choose_seed(options.manualSeed), say), model_name(options)
    place = options.out / "checkpoints" / name
    if asked.options.gan_mode == "wgan-gp" and asked.options.lambda_grad and asked.options.norm == "batch":
        say(
            "the gradient penalty is defined for each sample, but batch norm mixes samples: --norm instance fits better"
        )
    shown = f"{len(asked.files)} pairs" if len(asked.files) > 1 else "one pair"
    say(f"{shown}: {asked.epochs} epochs of {asked.steps} steps")
    with use_precision(options.precision, device), closing(watcher()) as watching:
        trained = record.load_or_train(
            place, name, asked, settings.choose(device), device, options,
            seed_matters="manualSeed" in given, watcher=watching,
        )  # fmt: skip
    say(f"{'trained' if trained else 'already trained'}: {place}")


def test(argv: Sequence[str]) -> None:
    """Translate the pictures that ``argv`` names, and print their distance to the true ones."""
    args, _ = make_parser("test").parse_given(argv)
    options: TestOptions = read_options(TestOptions, args)
    device = choose_device(options.device, options.not_cuda)
    if (options.dataroot is None) == (options.single is None):
        raise ValueError("give either `dataroot`, a data set, or `single`, a folder of inputs")
    place = find_model(options, None if options.dataroot is None else options.dataroot.resolve().stem)
    seed = choose_seed(options.manualSeed)
    translator = Translator.load(
        place, options.epoch, device, seed=seed, kind=options.netG, direction=options.direction,
        no_dropout=options.no_dropout,
    )  # fmt: skip
    running = options.eval or options.statistics == "running"
    if translator.batch_size > 1 and not running and translator.config.layers.norm == "batch":
        say(
            f"{place} was trained with batches of {translator.batch_size}, which share their statistics, and each "
            "picture has its own here: --statistics running takes those of the training"
        )
    translator.set_up("running" if running else "batch", chance=not options.eval)
    if options.single is not None:
        results = translate_folder(translator, options.single, options.num_samples, options.num_test)
        phase = options.single.resolve().name
    else:
        files = find_pairs(options.dataroot or Path(), options.phase)[: options.num_test]
        results, phase = translate_pairs(translator, files, options.num_samples), options.phase
    root = options.results_dir or options.out
    target = (options.results_dir or root / "results") / place.name / f"{phase}_{options.epoch}"
    with use_precision(options.precision, device):
        rows = write_results(root, target, f"{place.name}, {phase}, epoch {options.epoch}", results)
    say(f"random seed: {seed}", f"pictures: {target / 'index.html'}")
    if rows:
        l1, psnr, ssim, apart = column_means(rows)
        several = "" if options.num_samples == 1 else f", diversity {apart:.3f}"
        say(f"{len(rows)} pictures: L1 {l1:.4f} (of -1 to 1), PSNR {psnr:.2f} dB, SSIM {ssim:.4f}{several}")


def draw(argv: Sequence[str]) -> None:
    """Serve a page to draw on until Ctrl-C."""
    args, _ = make_parser("draw").parse_given(argv)
    options: DrawOptions = read_options(DrawOptions, args)
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("starlette") is None:
        raise ValueError("the page needs the packages starlette and uvicorn: pip install starlette uvicorn")
    from Pix2Pix.pages.draw import serve  # only this command needs them

    place, device = find_model(options), choose_device(options.device, options.not_cuda)
    translator = Translator.load(place, options.epoch, device, seed=0).set_up(options.statistics)
    serve(translator, place.name, options.port)


def find_model(options: UseOptions, default: str | None = None) -> Path:
    """The folder of the model that ``options`` name, else of the one called ``default``."""
    name = options.name or default
    if name is None:
        raise ValueError("name the model: `name`")
    root = options.checkpoints_dir or options.out / "checkpoints"
    place = root / layout.stem(f"{name}.x", "name")
    layout.guard(options.checkpoints_dir or options.out, [place])
    return place


def choose_seed(given: int | None) -> int:
    """The seed that was ``given``, else a random one."""
    return random.SystemRandom().randrange(2**31) if given is None else given


main_train = script(train, "out of memory: lower `crop_size`, `batch_size`, `ngf` or `ndf`, or use another `device`")
main_test, main_draw = (script(main, "out of memory: use another `device`") for main in (test, draw))
