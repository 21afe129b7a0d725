"""The options of a run that shape no model: its files, its machine, how many pictures at once."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import torch

from SinGAN.engines.engine import ENGINES, PRECISIONS, RECOMPUTE, WINOGRAD
from SinGAN.options.option import HUGE, option

RAY_HERE = "local"  # the address of a cluster that is started on this machine, for one command
TRAINING: dict[str, Any] = {"group": "training"}
COUNT: dict[str, Any] = {"least": 1, "most": HUGE}


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The places of a run's files, its machine, and whether old results go."""

    input_name: tuple[str, ...] = option(
        MISSING, "file of the training picture; several, or patterns as '*.png', are a run each"
    )
    input_dir: Path = option(Path("Input/Images"), "its folder")
    out: Path = option(Path("Output"), "folder of all results")
    mode: str = option(MISSING, "the task")
    not_cuda: bool = option(False, "run on the CPU")
    device: torch.device | None = option(None, "cpu, cuda or cuda:<n>", unset="CUDA where there is one")
    manualSeed: int | None = option(None, "random seed", unset="a new one each time", least=0, most=2**63 - 1)
    jobs: int = option(1, "of several pictures, how many run at once", **COUNT)
    jobs_per_gpu: int = option(1, "of these, how many on one GPU", **COUNT)
    ray: str | None = option(
        None, "train on the Ray cluster at this address; without one, on a cluster of this machine", bare=RAY_HERE
    )
    overwrite: bool = option(False, "make anew what exists; the old goes when the new is whole")
    engine: str = option("auto", "what runs iterations: see the README", choices=ENGINES, **TRAINING)
    precision: str = option(
        "auto", "of the convolutions; auto: tf32 on a GPU, else fp32", choices=PRECISIONS, **TRAINING
    )
    recompute: str = option(
        "auto", "compute activations again, in place of keeping them; auto: where memory is short",
        choices=RECOMPUTE, **TRAINING,
    )  # fmt: skip
    winograd: str = option("auto", "fast convolutions on the CPU; auto: where g++ is", choices=WINOGRAD, **TRAINING)
    checkpoint_every: float = option(60.0, "seconds from one checkpoint to the next", least=0, **TRAINING)
    vgg_weights: Path | None = option(
        None, "VGG16 weights for texture and perceptual loss", unset="torchvision's, downloaded once", **TRAINING
    )
