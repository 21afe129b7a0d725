"""What makes pictures: a trained model, or at once the training picture's own patches."""

from dataclasses import dataclass
from typing import Any

from SinGAN.options.option import option

PATCHES, DENOISE, SINGAN = "patches", "denoise", "singan"
VARIETIES = ("low", "medium", "high")
BALANCES = ("off", "light", "full")
SIZE: dict[str, Any] = {"pattern": r"[1-9]\d{0,4}[xX][1-9]\d{0,4}", "meant": "width x height in pixels, as 400x200"}


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """How patches become pictures."""

    method: str = option(
        PATCHES, "patches: by nearest neighbours, faithful; denoise: by patch diffusion, freer",
        group="method", choices=(PATCHES, DENOISE),
    )  # fmt: skip
    variety: str = option("medium", "how far from the picture", group="method", choices=VARIETIES)
    balance: str = option(
        "full", "with denoise: how evenly all parts of the picture are used", group="method", choices=BALANCES
    )


@dataclass(frozen=True, kw_only=True)
class MethodOptions(PatchOptions):
    """What makes the pictures: a trained model, or patches at once."""

    method: str = option(
        SINGAN, "singan: a trained model; without training, from the picture's own patches: patches, or denoise",
        group="method", choices=(SINGAN, PATCHES, DENOISE),
    )  # fmt: skip
    refine: bool = option(
        False, "with singan: give the results the picture's own detail, by a short run of patches", group="method"
    )
