"""The options of the measures, and of studies."""

from dataclasses import MISSING, dataclass
from pathlib import Path

from SinGAN.losses import GAN_NAMES
from SinGAN.options.applications import ALL, COUNT, DENOISE, INSTANT, PATCHES, SINGAN, MethodOptions
from SinGAN.options.growing import TRAIN_MODES
from SinGAN.options.model import CRITICS, STOCHASTIC
from SinGAN.options.option import option

DIMS = (64, 192, 768, 2048)  # numbers of Inception features, of SIFID.inception.LAYERS
METRICS = ("isc", "fid", "kid")  # of SIFID.fidelity
REFINED = "refined"
STUDIED = (SINGAN, REFINED, INSTANT, PATCHES, DENOISE)
SETS = "sets of pictures, instead of a model"
Varied = dict[str, list[str]]
STUDIES: dict[str, Varied] = {
    "layers": {"num_layer": ["4", "5", "6"]},
    "scale_factor": {"scale_factor": []},
    "alpha": {"alpha": ["0", "0.1", "1", "10", "100"]},
    "niter": {"niter": []},
    "residual": {"no_residual": ["False", "True"]},
    "texture": {"texture_weight": ["0", "0.1", "1", "10", "100"]},
    "sizes": {"min_size": ["12", "18", "25", "35"], "max_size": []},
    "gan_mode": {"gan_mode": list(GAN_NAMES)},
    "critic": {"netD": list(CRITICS)},
    "stochastic": {"stochastic": list(STOCHASTIC)},
    "sketch": {"sketch_scales": ["0", "1", "2", "3"]},
    "z_rec": {"z_rec": ["fixed", "redrawn"]},
    "train_mode": {"train_mode": list(TRAIN_MODES)},
}
"""The studies that have a name. Missing values follow from the run's own, and from its picture."""


@dataclass(frozen=True, kw_only=True)
class InceptionOptions:
    """The features that are compared, and the weights that they come from."""

    dims: int = option(64, "how many Inception features are compared", group="Inception", choices=DIMS)
    weights: Path | None = option(
        None,
        "file of the Inception weights, of torch or npz",
        group="Inception",
        unset="torchvision's, downloaded once",
    )


@dataclass(frozen=True, kw_only=True)
class SifidOptions(InceptionOptions):
    """The authors' options, and ours."""

    path2real: Path = option(MISSING, "folder of the real pictures, or one picture for all")
    path2fake: Path = option(MISSING, "folder of the generated pictures, or one")
    gpu: str = option("", "number of the GPU to use; without it the CPU", short="c")
    images_suffix: str | None = option(None, "only files whose names end so count, as jpg", unset="every picture")
    out: Path = option(Path("Output"), "folder of SIFID.npy and SIFID.csv")


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(MethodOptions, InceptionOptions):
    """Measure a trained model's samples, or one set of pictures against another."""

    gen_start_scale: tuple[int | None, ...] = option(
        (0,), "first scales with fresh noise, or: all", group="samples", least=0, every=ALL
    )
    num_samples: int = option(50, "samples from each start scale", group="samples", **COUNT)
    lpips: bool = option(False, "download the weights of LPIPS, half a GB, if they are missing", group="samples")
    path2real: Path | None = option(None, "folder of the real pictures", group=SETS)
    path2fake: Path | None = option(None, "folder of the generated pictures", group=SETS)
    results: Path | None = option(
        None, "in their place a folder of translate_test.py's results: *_fake_B.png against *_real_B.png", group=SETS
    )
    images_suffix: str | None = option(
        None, "only files whose names end so count, as jpg", group=SETS, unset="every picture"
    )
    metrics: tuple[str, ...] = option(METRICS, "what is measured", group=SETS, choices=METRICS)


@dataclass(frozen=True, kw_only=True)
class StudyOptions(InceptionOptions):
    """Train a picture under several settings, measure each, and show them side by side."""

    study: str | None = option(None, "a ready-made study", group="study", choices=tuple(STUDIES))
    vary: tuple[str, ...] = option(
        (), "a flag of the model and its values, as alpha=0,1,10; can be repeated", group="study", repeated=True
    )
    method: tuple[str, ...] = option(
        (SINGAN,), "what is measured: the trained models, these refined, or patches without training; one or several",
        group="study", choices=STUDIED,
    )  # fmt: skip
    seeds: int = option(1, "trainings of each combination", group="study", least=1, most=1000)
    num_samples: int = option(20, "samples that each training is measured by", group="study", **COUNT)
    gen_start_scale: int = option(0, "first scale of these samples with fresh noise", group="study", least=0)
    dry_run: bool = option(False, "only say how many trainings there are, and about how long they take", group="study")
