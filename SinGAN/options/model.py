"""The options that shape a model, and the configs that they ask for; names and defaults are the authors'."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from SinGAN.losses import GAN_NAMES, PENALTY_NAMES
from SinGAN.options.growing import GENERATION, SINGAN, KindOptions, complete
from SinGAN.options.option import ALWAYS, HUGE, MANY, check_values, get_options, option
from SinGAN.options.tasks import Task

if TYPE_CHECKING:
    from SinGAN.losses.train_config import TrainConfig
    from SinGAN.models import NetConfig
    from SinGAN.planning import PyramidConfig

CRITICS = {"patch": (1, False), "multiscale": (3, False), "sesame": (1, True)}
"""For each word of netD: how many critics, and whether they see the previous scale's image; else it is a file."""

STOCHASTIC = ("noise", "dropout", "weights")
NET: dict[str, Any] = {"group": "networks", "shapes": SINGAN}
PYRAMID: dict[str, Any] = {"group": "pyramid", "shapes": SINGAN}
TRAINING: dict[str, Any] = {"group": "training", "shapes": SINGAN}
COUNT: dict[str, Any] = {"least": 1, "most": HUGE}
FILTERS: dict[str, Any] = {"least": 1, "most": 2**14}
STEPS: dict[str, Any] = {"least": 1, "most": 100}


@dataclass(frozen=True)
class ModelOptions(KindOptions):
    """The options that shape a model; its manifest stores them."""

    nc_im: int = option(
        3, "channels: 1 grey, 3 RGB, 4 RGBA; of data (.npy, .npz, TIFF files) its own, up to 64",
        least=1, most=64, **NET,
    )  # fmt: skip
    nc_z: int | None = option(None, "channels of the noise: as nc_im, which it follows", **NET)
    nfc: int = option(32, "filters at the coarsest scale", **FILTERS, **NET)
    min_nfc: int = option(32, "fewest filters in a net, at the coarsest scale", **FILTERS, **NET)
    ker_size: int = option(3, "width of the convolutions, odd", odd=True, least=1, most=99, **NET)
    num_layer: int = option(5, "convolutions in each net", least=2, most=100, **NET)
    no_residual: bool = option(False, "generators don't add the previous scale's image", before=False, **NET)
    stride: int = option(1, "stride of the convolutions; only 1 works", choices=(1,), **NET)
    padd_size: int = option(0, "padding inside the nets; only 0 works", choices=(0,), **NET)
    netG: str | None = option(
        None, "generator weights to start a scale from, in place of random ones", or_file=True, **NET
    )
    netD: str = option(
        "patch", f"critic: {', '.join(CRITICS)}, or weights of one",
        choices=tuple(CRITICS), or_file=True, before="patch", **NET,
    )  # fmt: skip
    stochastic: str = option("noise", "where randomness comes from", choices=STOCHASTIC, before="noise", **NET)
    dropout: float | None = option(
        None, "share dropped with stochastic dropout", unset="0.5", above=0, below=1, before=0.0, **NET
    )
    weight_noise: float | None = option(
        None, "deviation with stochastic weights, of each filter's RMS", unset="0.1", above=0, before=0.0, **NET
    )
    scale_factor: float = option(0.75, "ratio of neighbouring scales, roughly", above=0, below=1, **PYRAMID)
    noise_amp: float = option(
        0.1, "noise amplitude relative to the reconstruction error of the coarser scales", least=0, **PYRAMID
    )
    min_size: int = option(
        25, "shorter side of the coarsest scale, in pixels", in_tasks={"SR": 18, "animation": 20}, **COUNT, **PYRAMID
    )
    max_size: int = option(
        250, "longer side of the finest scale, in pixels; larger pictures are reduced (hybrid: of results, no limit)",
        **COUNT, **PYRAMID,
    )  # fmt: skip
    sketch_scales: int = option(
        0,
        "number of scales below the finest that learn a sketch of the picture",
        least=0,
        most=HUGE,
        before=0,
        **PYRAMID,
    )
    niter: int = option(2000, "iterations per scale", least=1, most=MANY, **TRAINING)
    gamma: float = option(0.1, "factor of both learning rates after 80 % of the iterations", least=0, **TRAINING)
    lr_g: float = option(0.0005, "learning rate of the generator", above=0, **TRAINING)
    lr_d: float = option(0.0005, "learning rate of the critic", above=0, **TRAINING)
    beta1: float = option(0.5, "Adam's first beta", least=0, below=1, **TRAINING)
    Gsteps: int = option(3, "generator steps per iteration", **STEPS, **TRAINING)
    Dsteps: int = option(3, "critic steps per iteration", **STEPS, **TRAINING)
    gan_mode: str = option("wgan-gp", "adversarial loss", choices=GAN_NAMES, before="wgan-gp", **TRAINING)
    lambda_grad: float | None = option(
        None, "weight of the gradient penalty", unset="0.1 with wgan-gp, else 0", least=0, **TRAINING
    )
    penalty: str = option("gp", "gradient penalty of the critic", choices=PENALTY_NAMES, before="gp", **TRAINING)
    alpha: float = option(10.0, "weight of the reconstruction loss", least=0, in_tasks={"SR": 100.0}, **TRAINING)
    texture_weight: float = option(
        0.0, "weight of the texture loss: samples' Gram matrices", least=0, before=0.0, **TRAINING
    )
    perceptual_weight: float = option(
        0.0, "weight of the reconstruction's distance in VGG features", least=0, before=0.0, **TRAINING
    )
    feature_weight: float = option(
        0.0, "weight of feature matching: mean critic features of samples", least=0, before=0.0, **TRAINING
    )
    z_rec: str = option(
        "redrawn", "the reconstruction's noise: drawn once (paper), or in every iteration (authors' code)",
        choices=("fixed", "redrawn"), **TRAINING,
    )  # fmt: skip

    @classmethod
    def for_task(cls, task: Task, values: Mapping[str, Any]) -> "ModelOptions":
        """The options of a training for ``task``: ``values`` by name, the task's defaults where there are none.

        Raises:
            ValueError: a value is out of range, or two contradict each other.
        """
        return cls(**{**defaults(task), **check_values(cls, values)}).complete(values)

    @classmethod
    def of_manifest(cls, values: Mapping[str, Any]) -> "ModelOptions":
        """The options in a model's manifest, of this version or an older one.

        Raises:
            ValueError: one is missing or out of range.
        """
        complete = with_legacy_defaults(values)
        names = [entry.name for entry in fields(cls)]
        lacking = [name for name in names if name not in complete]
        if lacking:
            raise ValueError(f"manifest.json lacks the option {lacking[0]!r}: train again with `overwrite`")
        zero = {name: complete.pop(name) for name in ("dropout", "weight_noise") if complete[name] == 0}  # not in use
        try:
            return cls(
                **check_values(cls, {name: complete[name] for name in names if name in complete}, files=False), **zero
            )
        except ValueError as error:
            raise ValueError(f"wrong option in manifest.json: {error}: train again with `overwrite`") from None

    def complete(self, given: Collection[str] = (), recipe: str = GENERATION) -> "ModelOptions":
        """The options, completed with those that follow from others; those ``given`` were set explicitly.

        ``recipe`` is that of concurrent training if the options name none.

        Raises:
            ValueError: two contradict each other.
        """
        return complete(self, given, recipe)._with_amounts(given)

    def _with_amounts(self, given: Collection[str]) -> "ModelOptions":
        if self.nc_z not in (None, self.nc_im):
            raise ValueError(f"`nc_z` {self.nc_z} differs from `nc_im` {self.nc_im}: leave `nc_z` out")
        default = 0.1 if self.gan_mode == "wgan-gp" else 0.0
        lambda_grad = default if self.lambda_grad is None else self.lambda_grad
        if not lambda_grad and (self.penalty != "gp" or "penalty" in given):
            raise ValueError(
                f"`penalty` {self.penalty} has no weight, `lambda_grad` is 0: raise it, or leave `penalty` out"
            )
        return replace(
            self,
            nc_z=self.nc_im,
            lambda_grad=lambda_grad,
            dropout=self._amount("dropout", "dropout", 0.5),
            weight_noise=self._amount("weight_noise", "weights", 0.1),
        )

    def _amount(self, name: str, mode: str, default: float) -> float:
        """The value of the option ``name``, which only ``stochastic`` ``mode`` has."""
        value: float | None = getattr(self, name)
        if value and self.stochastic != mode:
            raise ValueError(f"`{name}` is for `stochastic` {mode}, not for {self.stochastic}: leave one out")
        if self.stochastic != mode:
            return 0.0
        return default if value is None else value

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as a manifest holds them."""
        return asdict(self)

    @property
    def net(self) -> "NetConfig":
        """The nets at the coarsest scale."""
        from SinGAN.models import NetConfig  # this module stays light: -h and a typo take no seconds

        return NetConfig(
            channels=self.nc_im,
            filters=self.nfc,
            min_filters=self.min_nfc,
            ker_size=self.ker_size,
            num_layer=self.num_layer,
            **options_not_in_weights(self),
        )

    @property
    def pyramid(self) -> "PyramidConfig":
        """The config of the pyramid."""
        from SinGAN.planning import PyramidConfig

        return PyramidConfig(
            min_size=self.min_size,
            max_size=self.max_size,
            scale_factor=self.scale_factor,
            sketch_scales=self.sketch_scales,
        )

    @property
    def training(self) -> "TrainConfig":
        """The config of each scale's training."""
        from SinGAN.losses.gan import GAN_MODES
        from SinGAN.losses.train_config import TrainConfig

        shared = {entry.name for entry in fields(TrainConfig)} & {
            entry.name for entry in fields(self) if getattr(self, entry.name) is not None
        }
        return TrainConfig(
            redraw_z_rec=self.z_rec == "redrawn",
            adversarial=GAN_MODES[self.gan_mode],
            **{name: getattr(self, name) for name in shared},
        )


def defaults(task: Task) -> dict[str, Any]:
    """The default of every option in a training for ``task``, by name."""
    return {name: entry.in_tasks.get(task.name, entry.default) for name, entry in get_options(ModelOptions).items()}


def legacy_defaults() -> dict[str, Any]:
    """The options that older manifests lack, as those models were trained."""
    return {name: entry.before for name, entry in get_options(ModelOptions).items() if entry.before is not ALWAYS}


def with_legacy_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a manifest, ``values`` there, with those that it is too old for."""
    older = legacy_defaults()
    return {**older, **{name: value for name, value in values.items() if value is not None or name not in older}}


NOT_IN_WEIGHTS = ("no_residual", "dropout", "weight_noise", "netD", "train_mode", "recipe", "lrelu_alpha")
"""The options from which ``options_not_in_weights`` follows."""


def options_not_in_weights(options: ModelOptions) -> dict[str, Any]:
    """Those fields of the nets' config that their weights don't tell."""
    critics, conditional = CRITICS.get(options.netD, CRITICS["patch"])
    return {
        **options.net_fields,
        "residual": not options.no_residual,
        "dropout": options.dropout or 0.0,
        "weight_noise": options.weight_noise or 0.0,
        "critics": critics,
        "conditional": conditional,
    }
