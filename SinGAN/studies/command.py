"""Train a picture under several settings, measure each, and show them side by side."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from SIFID import evaluation
from SIFID.evaluate import sifid_net
from SIFID.inception import check_size
from SinGAN import manipulate
from SinGAN.engines.engine import use_precision
from SinGAN.engines.estimates import bytes_on_disk
from SinGAN.losses import perceptual
from SinGAN.options.applications import DENOISE, INSTANT, PATCHES, SINGAN, PatchOptions
from SinGAN.options.measures import REFINED, STUDIES, StudyOptions, Varied
from SinGAN.options.option import get_options
from SinGAN.parallel.jobs import Job
from SinGAN.patches.makers import Maker, Trained
from SinGAN.pictures import images
from SinGAN.runs.progress import duration
from SinGAN.runs.results import read_losses
from SinGAN.runs.run import Run
from SinGAN.runs.source import open_patches
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage import layout
from SinGAN.storage.files import check_room
from SinGAN.studies import comparison
from SinGAN.studies.combinations import Combination, changed_options, combine, measure_speed, shorten, varied_options
from SinGAN.studies.comparison import MeasuredTraining
from SinGAN.studies.study import Results, Study
from SinGAN.terminal.flags import make_parser, read_options
from SinGAN.terminal.messages import say, with_flags
from SinGAN.terminal.parse import parse
from SinGAN.terminal.script import script
from SinGAN.terminal.several import check_links, run_several


def run(argv: Sequence[str]) -> None:
    """Run the study that ``argv`` asks for."""
    asked = parse(make_parser("study"), argv)
    if len(asked.runs) > 1 or asked.run.settings.ray:
        raise SystemExit(run_several(asked, "study"))
    check_links(asked.run, "study")
    options = read_options(StudyOptions, asked.args)
    with use_precision(asked.run.settings.precision, asked.device):
        make_study(asked.run, options).run(options.dry_run)


def make_study(run: Run, options: StudyOptions) -> "PictureStudy":
    """The study of the picture of ``run`` that ``options`` ask for; prints which of its values are left out.

    Raises:
        ValueError: there is nothing to study, or a value or the first scale of the samples can't be.
    """
    varied = varied_options(run, options.study, options.vary, needs_some=options.method == (SINGAN,))
    combinations: list[Combination] = []
    lines: list[str] = []
    if set(options.method) & {SINGAN, REFINED}:
        combinations, lines = combine(
            run, varied, seeds=options.seeds, num_samples=options.num_samples, study=options.study
        )
    for combination in combinations:
        manipulate.check_start_scale(options.gen_start_scale, len(combination.plan.sizes))
    for line in dict.fromkeys(lines):  # once for all seeds
        say(with_flags(line))
    return PictureStudy(
        folder=layout.study(run.out, run.name, study_title(run, options, varied)),
        trials=combinations,
        device=run.device,
        jobs=run.settings.jobs,
        per_gpu=run.settings.jobs_per_gpu,
        overwrite=run.settings.overwrite,
        picture=run,
        options=options,
        varied=varied,
    )


def study_title(run: Run, options: StudyOptions, varied: Varied) -> str:
    """The name of the study's folder: all that it varies, and the settings that shape it."""
    ready_made = STUDIES.get(options.study or "", {})
    shared = {name: value for name, value in changed_options(run.options).items() if name not in varied}
    own = {name: getattr(options, name) for name in ("gen_start_scale", "num_samples", "seeds", "dims")}
    defaults = {name: entry.default for name, entry in get_options(StudyOptions).items()}
    shared |= {name: str(value) for name, value in own.items() if value != defaults[name]}
    if options.method != (SINGAN,):
        shared["method"] = ",".join(options.method)
    if "manualSeed" in run.given:
        shared["manualSeed"] = str(run.seed)
    named = {name: ",".join(values) for name, values in varied.items() if name not in ready_made}
    parts = [options.study] if options.study else []
    return shorten("+".join([*parts, *(f"{name}={value}" for name, value in {**named, **shared}.items())]))


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureStudy(Study[Combination]):
    """Trainings of one picture under several settings, and methods without training."""

    picture: Run
    options: StudyOptions
    varied: Varied

    def is_trained(self, trial: Combination) -> bool:
        return trial.is_trained(self.picture)

    def announce(self, remaining: Sequence[Combination], dry_run: bool) -> None:
        if dry_run:
            expected = duration(self.seconds(remaining))
            counts = f"{len(self.trials)} trainings, {len(remaining)} of them not trained yet"
            say(f"{counts}, about {expected}: {self.folder}")

    def seconds(self, remaining: Sequence[Combination]) -> float:
        """The estimated seconds that the ``remaining`` trainings take."""
        if not remaining:
            return 0.0
        engine = self.picture.engine.choose(self.device)
        at_once = 1 if self.device.type == "cpu" else min(self.jobs, len(remaining))  # jobs share a CPU's threads
        work = sum(combination.cost(self.picture, engine.winograd) for combination in remaining)
        return work / at_once / measure_speed(self.picture, engine)

    @cached_property
    def net(self) -> nn.Module | None:
        """The Inception net of SIFID on the CPU; None if its weights are not available."""
        return sifid_net(self.options.dims, self.options.weights)

    def check_needs(self, remaining: Sequence[Combination]) -> None:
        if self.net is not None:
            for combination in self.trials:
                check_size(*combination.plan.sizes[-1], self.options.dims)
        if any(combination.options.training.uses_vgg for combination in remaining):
            perceptual.load_vgg_weights(self.picture.settings.vgg_weights)
        needed = sum(bytes_on_disk(combination.plan, combination.options.net) for combination in remaining)
        check_room(layout.study(self.picture.out, self.picture.name, ""), needed)

    def job(self, trial: Combination) -> Job:
        return Job(self.picture.picture, "train", trial.flags, trial.model(self.picture.name), trial.label)

    def measure(self, trained: Sequence[Combination]) -> Results | None:
        found = [row for combination in trained for row in self.of_training(combination)] + self.of_patches()
        return comparison.results(found) if found else None

    def of_training(self, combination: Combination) -> list[MeasuredTraining]:
        """The measured samples of one training, and those refined if the options ask for them."""
        methods, model = self.options.method, ModelFolder.open(combination.model(self.picture.name))
        pyramid, kind = model.load(self.device), model.manifest.kind_of_model
        overview = kind.columns(combination.options.training).overview
        layers = model.manifest.layers_of_pictures
        layers = None if layers is None else self.picture.viewed(layers, pyramid.scales[-1].real)
        score = evaluation.reconstruction(pyramid, layers)
        losses = read_losses(model.folder / str(len(pyramid) - 1) / "losses.csv")
        result = []
        if SINGAN in methods:
            varied = combination.varied if methods == (SINGAN,) else {**combination.varied, "method": SINGAN}
            measured = self.of_samples(kind.maker(pyramid, layers), varied, combination.seed)
            result.append(replace(measured, reconstruction=score, losses=losses, overview=overview))
        if REFINED in methods:
            refined = Trained.of(pyramid, layers).refined_by(None)
            result.append(self.of_samples(refined, {**combination.varied, "method": REFINED}, combination.seed))
        return result

    def of_patches(self) -> list[MeasuredTraining]:
        """The measured samples of the methods without training, once for each seed."""
        run, result = self.picture, []
        first = run.seed if "manualSeed" in run.given else 1
        for method in (INSTANT, PATCHES, DENOISE):
            if method in self.options.method:
                maker = open_patches(run, PatchOptions(method=method), measured=True).maker
                names = {**dict.fromkeys(self.varied, "-"), "method": method}
                result += [self.of_samples(maker, names, seed) for seed in range(first, first + self.options.seeds)]
        return result

    def of_samples(self, maker: Maker, varied: dict[str, str], seed: int) -> MeasuredTraining:
        """The samples that ``maker`` draws from ``seed``, and their measures."""
        real, start, count = images.to_floats(maker.real), self.options.gen_start_scale, self.options.num_samples
        net = self.net and self.net.to(self.device)
        started = time.monotonic()
        drawn = maker.sample(torch.Generator(self.device).manual_seed(seed), count, start)
        layers = maker.layers
        if layers is not None:
            real = layers.to_floats(real).float()
        samples = evaluation.round_like_files(drawn, self.device, layers)
        took = time.monotonic() - started
        if layers is not None:
            layers = self.picture.viewed(replace(layers, raw=False), real)
        measures = evaluation.evaluate(samples, real, start, net, None, layers)
        if layers is not None:  # what people see
            samples, real = (evaluation.visible_channels(batch, layers) for batch in (samples, real))
        return MeasuredTraining(
            varied=varied,
            seed=seed,
            scales=len(maker),
            factor=maker.factor,
            samples=samples,
            real=real,
            evaluation=measures,
            seconds=took / count,
        )


main = script(run, start_scale="gen_start_scale")
