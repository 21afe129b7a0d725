"""The options that shape a model: flags by name, as a manifest holds them, and the configs that they ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from SinGAN.losses.gan import GAN_MODES
from SinGAN.losses.iteration import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig

# fmt: off
MODEL_FLAGS = [
    "nc_im", "nc_z", "nfc", "min_nfc", "ker_size", "num_layer", "stride", "padd_size", "netG", "netD",
    "scale_factor", "noise_amp", "min_size", "max_size", "sketch_scales",
    "niter", "gamma", "lr_g", "lr_d", "beta1", "Gsteps", "Dsteps", "lambda_grad", "alpha", "z_rec",
    "no_residual", "gan_mode", "texture_weight", "perceptual_weight",
    "stochastic", "dropout", "weight_noise",
]
# fmt: on
"""What shapes a model, and so stands in its manifest."""

CRITICS = {"patch": (1, False), "multiscale": (3, False), "sesame": (1, True)}
"""For each word of --netD: how many critics, and whether they see the previous scale's image; else it is a file."""

STOCHASTIC = ("noise", "dropout", "weights")

NEUTRAL: dict[str, Any] = {
    "netD": "patch",
    "no_residual": False,
    "gan_mode": "wgan-gp",
    "texture_weight": 0.0,
    "perceptual_weight": 0.0,
    "stochastic": "noise",
    "dropout": 0.0,
    "weight_noise": 0.0,
    "sketch_scales": 0,
}
"""Options that older manifests lack, as those models were trained."""


def model_options(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``flags`` that shape a model, as a manifest holds them, with what follows from others filled in.

    Raises:
        ValueError: they contradict each other.
    """
    options = {flag: str(flags[flag]) if isinstance(flags[flag], Path) else flags[flag] for flag in MODEL_FLAGS}
    if options["nc_z"] not in (None, options["nc_im"]):
        raise ValueError(f"--nc_z {options['nc_z']} differs from --nc_im {options['nc_im']}: leave --nc_z out")
    options["nc_z"] = options["nc_im"]
    if options["lambda_grad"] is None:
        options["lambda_grad"] = 0.1 if options["gan_mode"] == "wgan-gp" else 0.0
    for flag, mode, default in (("dropout", "dropout", 0.5), ("weight_noise", "weights", 0.1)):
        if options[flag] is not None and options["stochastic"] != mode:
            raise ValueError(f"--{flag} is for --stochastic {mode}, not for {options['stochastic']}: leave one out")
        if options[flag] is None:
            options[flag] = default if options["stochastic"] == mode else 0.0
    return options


def neutral(found: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a manifest, ``found`` there, with those that it is too old for."""
    return {**NEUTRAL, **{flag: value for flag, value in found.items() if value is not None or flag not in NEUTRAL}}


def net_config(options: Mapping[str, Any]) -> NetConfig:
    """The nets that ``options``, flags by name, ask for at the coarsest scale."""
    shape = [options[flag] for flag in ("nc_im", "nfc", "min_nfc", "ker_size", "num_layer")]
    return NetConfig(*shape, **beyond_weights(options))


def beyond_weights(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the nets that ``options`` ask for, what their weights don't tell."""
    critics, conditional = CRITICS.get(str(options["netD"]), CRITICS["patch"])
    return {
        "residual": not options["no_residual"],
        "dropout": float(options["dropout"]),
        "weight_noise": float(options["weight_noise"]),
        "critics": critics,
        "conditional": conditional,
    }


def train_config(options: Mapping[str, Any]) -> TrainConfig:
    """The training that ``options``, flags by name, ask for."""
    # fmt: off
    same = ("niter", "Gsteps", "Dsteps", "lr_g", "lr_d", "gamma", "beta1", "lambda_grad", "alpha", "noise_amp",
            "texture_weight", "perceptual_weight")
    # fmt: on
    return TrainConfig(
        redraw_z_rec=options["z_rec"] == "redrawn",
        adversarial=GAN_MODES[options["gan_mode"]],
        **{flag: options[flag] for flag in same},
    )


def configs(options: Mapping[str, Any]) -> dict[str, Any]:
    """The configs of a run by name, from ``options``, flags by name."""
    try:
        pyramid = PyramidConfig(*(options[flag] for flag in ("min_size", "max_size", "scale_factor", "sketch_scales")))
        return {"net": net_config(options), "pyramid": pyramid, "training": train_config(options)}
    except KeyError as error:
        raise ValueError(f"the model's manifest lacks the option {error}: train again with --overwrite") from error
    except TypeError as error:
        raise ValueError(f"the model's manifest has a wrong option ({error}): train again with --overwrite") from error
