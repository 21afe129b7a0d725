"""The kinds of model: the value of ``train_mode`` for each, and the options that only some kinds have."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from SinGAN.options.option import HUGE, option

if TYPE_CHECKING:
    from SinGAN.options.model import ModelOptions

SEQUENTIAL, CONCURRENT, HYBRID = TRAIN_MODES = ("sequential", "concurrent", "hybrid")
GENERATION, RETARGET, HARMONIZATION, EDITING = RECIPES = ("generation", "retarget", "harmonization", "editing")
HYBRID_SIZE, LONGEST = 64, 2**15 - 1  # pixels: of hybrid training, and of a side of its results (patches.levels)
SINGAN = ("singan",)  # the kind of model that options shape
GROWN: dict[str, Any] = {"group": "concurrent training", "shapes": SINGAN, "before": None}

DEFAULTS: dict[str, Any] = {
    "nfc": 64, "train_stages": 6, "train_depth": 3, "lr_scale": 0.1, "batch_norm": False, "lrelu_alpha": 0.05,
    "z_rec": "fixed",
}  # fmt: skip
"""The defaults that differ from those of sequential training (Hinz et al. 2021; their code)."""

OF_RECIPES: dict[str, dict[str, Any]] = {
    EDITING: {"niter": 1000, "batch_norm": True},
    HARMONIZATION: {"niter": 1000, "batch_norm": True, "train_stages": 3, "min_size": 120, "lrelu_alpha": 0.3},
}
"""The same for each recipe that has others."""

ONLY: dict[str, Any] = {
    "netG": None, "netD": "patch", "stochastic": "noise", "no_residual": False, "sketch_scales": 0,
    "scale_factor": 0.75, "z_rec": "fixed",
}  # fmt: skip
"""The options of no use to concurrent training, with the one value that each may have."""


@dataclass(frozen=True)
class KindOptions:
    """The kind of model, and the options that only one kind has: None for the others."""

    train_mode: str = option(
        SEQUENTIAL, "sequential: scale by scale (SinGAN); concurrent: one growing generator whose newest blocks train "
        "together (ConSinGAN), faster; hybrid: SinGAN at --hybrid_size pixels, and the picture's own patches from "
        "there to its full size, in minutes", choices=TRAIN_MODES, before=SEQUENTIAL, group="training", shapes=SINGAN,
    )  # fmt: skip
    recipe: str | None = option(
        None, "purpose: generation, retarget (other sizes), harmonization or editing (and paint)",
        choices=RECIPES, unset="by the script", **GROWN,
    )  # fmt: skip
    train_stages: int | None = option(
        None, "number of sizes at which the picture is trained", unset="6, harmonization 3", least=2, most=64, **GROWN
    )
    train_depth: int | None = option(
        None, "number of newest blocks that train together", unset="3", least=1, most=HUGE, **GROWN
    )
    lr_scale: float | None = option(
        None, "ratio of a block's learning rate to that of the next newer block; above 0.5 pictures may turn black",
        unset="0.1", above=0, most=1, **GROWN,
    )  # fmt: skip
    batch_norm: bool | None = option(
        None, "BatchNorm in the generator: True or False", bare=True,
        unset="False, True for harmonization and editing", **GROWN,
    )  # fmt: skip
    lrelu_alpha: float | None = option(
        None, "slope of LeakyReLU below 0", unset="0.05, harmonization 0.3", least=0, most=1, **GROWN
    )

    hybrid_size: int | None = option(
        None, "longer side of the finest scale that is trained, in pixels", unset="64", least=1, most=HUGE,
        group="training", shapes=SINGAN, before=None,
    )  # fmt: skip

    @property
    def kind(self) -> str:
        """The name of the kind of model, in ``SinGAN.kinds.KINDS``."""
        return SINGAN[0] if self.train_mode == SEQUENTIAL else self.train_mode

    @property
    def label(self) -> str:
        """The mode and the recipe in the name of a model's folder; "" for sequential training."""
        recipe = "" if self.recipe in (None, GENERATION) else f",recipe={self.recipe}"
        return "" if self.train_mode == SEQUENTIAL else f"mode={self.train_mode}{recipe}"

    @property
    def net_fields(self) -> dict[str, Any]:
        """The fields of the nets' config that only some kinds have."""
        if self.train_mode != CONCURRENT:
            return {}
        shape = {"stages": 1, "batch_norm": bool(self.batch_norm)}
        return {**shape, "leak": self.lrelu_alpha, "noisy_margins": self.recipe == GENERATION}


OWNERS = {
    **dict.fromkeys(("recipe", "train_stages", "train_depth", "lr_scale", "batch_norm", "lrelu_alpha"), CONCURRENT),
    "hybrid_size": HYBRID,
}
"""The ``train_mode`` of each option that only one mode has."""


def complete(options: "ModelOptions", given: Collection[str], recipe: str) -> "ModelOptions":
    """The ``options`` with the defaults of their kind in place of those that were not ``given``.

    Raises:
        ValueError: one is of no use to the kind.
    """
    for name, mode in OWNERS.items():
        if getattr(options, name) is not None and options.train_mode != mode:
            raise ValueError(f"`{name}` is for `train_mode` {mode}: add that, or leave `{name}` out")
    if options.train_mode == HYBRID:
        is_given = "max_size" in given or options.max_size != type(options)().max_size
        max_size = options.max_size if is_given else LONGEST
        return replace(options, max_size=max_size, hybrid_size=options.hybrid_size or HYBRID_SIZE)
    return _concurrent(options, given, options.recipe or recipe) if options.train_mode == CONCURRENT else options


def defaults_of_kind(options: "ModelOptions") -> dict[str, Any]:
    """The options of a model of the kind of ``options`` for which nothing else is asked."""
    plain = {"train_mode": SEQUENTIAL, "recipe": GENERATION if options.train_mode == CONCURRENT else None}
    return {**type(options)(train_mode=options.train_mode, recipe=options.recipe).complete().as_dict(), **plain}


def _concurrent(options: "ModelOptions", given: Collection[str], recipe: str) -> "ModelOptions":
    """The ``options`` with the defaults of concurrent training by ``recipe`` in place of those that were not ``given``.

    Raises:
        ValueError: one of them is of no use to concurrent training.
    """
    default = type(options)()
    values = {
        name: value
        for name, value in {**DEFAULTS, **OF_RECIPES.get(recipe, {})}.items()
        if name not in given and getattr(options, name) == getattr(default, name)
    }
    filters = values.get("nfc", options.nfc)
    if "min_nfc" in given and options.min_nfc != filters:
        raise ValueError(
            f"`min_nfc` {options.min_nfc} differs from `nfc` {filters}, which all convolutions have with "
            f"`train_mode` {CONCURRENT}: leave `min_nfc` out"
        )
    result = replace(options, recipe=recipe, min_nfc=filters, **values)
    for name, only in ONLY.items():
        value = getattr(result, name)
        if value != only:
            shown = f"`{name}`" if value is True else f"`{name}` {value}"
            raise ValueError(f"{shown} is not for `train_mode` {CONCURRENT}: leave one out")
    return result
