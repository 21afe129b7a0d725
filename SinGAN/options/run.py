"""The options of a run that do not shape a model: files, device, parallel jobs."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from SinGAN.engines import ENGINES, PRECISIONS, RECOMPUTE, WINOGRAD
from SinGAN.options.option import MANY, option

RAY_HERE = "local"  # the address of a cluster that is started on this machine, for one command
LIFELINE = "SINGAN_LIFELINE"  # environment variable of a job: it ends when its standard input does, with its parent
TRAINING: dict[str, Any] = {"group": "training"}
COUNT: dict[str, Any] = {"least": 1, "most": MANY}
MAPS: dict[str, Any] = {"group": "channels and maps"}
KINDS = ("label", "continuous", "normal")  # of maps


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Files, device and parallel jobs of a run, and whether existing results are overwritten."""

    input_name: tuple[str, ...] = option(
        MISSING,
        "the training picture: a path, or a name in --input_dir; several, or patterns as '*.png', are a run each",
    )
    input_dir: Path = option(Path("Input/Images"), "folder of training pictures")
    out: Path = option(Path("Output"), "folder of all results")
    mode: str = option(MISSING, "the task")
    maps: tuple[Path, ...] = option(
        (), "maps of the picture, of its size: labels or amounts that every result gets, too; docs/maps.md", **MAPS
    )
    map_kinds: tuple[str, ...] = option(
        (), "of each map, or of all: label, values without an order; continuous, amounts; normal, directions",
        unset="guessed", choices=KINDS, **MAPS,
    )  # fmt: skip
    show: tuple[str, ...] = option(
        (), "what previews of data show: three channels as RGB, as 3 2 1, or one, with a colour map, as 4 viridis",
        unset="the first three, or one", **MAPS,
    )  # fmt: skip
    show_percentiles: tuple[float, ...] = option(
        (1.0, 99.0), "of each channel shown, those that are black and white", least=0, most=100, **MAPS
    )
    not_cuda: bool = option(False, "run on the CPU")
    device: str | None = option(
        None, "cpu, cuda or cuda:<n>", unset="CUDA if available",
        pattern=r"cpu|cuda(:\d{1,2})?", meant="cpu, cuda or cuda:<n>",
    )  # fmt: skip
    manualSeed: int | None = option(None, "random seed", unset="random", least=0, most=2**63 - 1)
    jobs: int = option(1, "number of parallel jobs, for several pictures", **COUNT)
    jobs_per_gpu: int = option(1, "number of parallel jobs on one GPU", **COUNT)
    ray: str | None = option(
        None, "train on the Ray cluster at this address; without one, on a cluster of this machine", bare=RAY_HERE
    )
    overwrite: bool = option(False, "overwrite existing results")
    engine: str = option("auto", "engine of the iterations: see docs/performance.md", choices=ENGINES, **TRAINING)
    precision: str = option(
        "auto", "precision of the convolutions; auto: tf32 on a GPU, fp32 on a CPU", choices=PRECISIONS, **TRAINING
    )
    recompute: str = option(
        "auto", "recompute activations: half the memory, more time; auto: where memory is short",
        choices=RECOMPUTE, **TRAINING,
    )  # fmt: skip
    winograd: str = option(
        "auto", "Winograd convolutions on the CPU; auto: if a C++ compiler is installed", choices=WINOGRAD, **TRAINING
    )
    checkpoint_every: float = option(
        60.0, "seconds between two checkpoints, from which an interrupted training resumes", least=0, **TRAINING
    )
    vgg_weights: Path | None = option(
        None, "VGG16 weights for texture and perceptual loss", unset="torchvision's, downloaded once", **TRAINING
    )
