"""Code shared by harmonizing, editing and painting: references, masks, injection scales and fine-tuning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SinGAN.options.applications import ALL, COUNT, NUMBER, SINGAN, MethodOptions, reference_folder
from SinGAN.options.growing import CONCURRENT
from SinGAN.options.option import option
from SinGAN.tasks.task import Call, Results, make_generator

if TYPE_CHECKING:
    import torch

    from SinGAN.concurrent.pyramid import GrownPyramid
    from SinGAN.engines.engine import Engine
    from SinGAN.losses.train_config import TrainConfig
    from SinGAN.manipulate import Retouched
    from SinGAN.pictures.masks import Marks
    from SinGAN.tasks._types import Layers, Maker, Picture, Pyramid, Seed, StartScale, Tensor, TrainedScale

TUNED_EVERY = 100  # iterations between two results of a fine-tuning


def start_scales(task: str) -> Any:
    """The option for the scales at which a reference is inserted; ``task`` names its flag."""
    words = (
        "scales at which the reference is inserted, from 1 (most freedom) to the finest (hardly any change): several, "
        "or: all; "
        "with --train_mode concurrent only 0"
    )
    unset = "needed; with --method instant the level of 64 pixels or more"
    return option(
        (),
        words,
        unset=unset,
        group="reference",
        least=0,
        every=ALL,
        flag=f"{task}_start_scale",
        argument="start_scale",
    )


@dataclass(frozen=True, kw_only=True)
class Reference(MethodOptions):
    """A reference that is put into the pyramid."""

    ref_name: str = option(MISSING, "the reference: a path, or a name in --ref_dir", group="reference")
    ref_dir: Path = reference_folder("")
    start_scales: tuple[int | None, ...] = start_scales("")
    num_samples: int = option(1, "pictures for each scale", group="reference", **NUMBER)
    fine_tune: int | None = option(
        None, "with --train_mode concurrent: first train on this reference, with a result every 100 iterations",
        group="reference", bare=1000, unset="not at all", **COUNT,
    )  # fmt: skip

    @property
    def file(self) -> Path:
        """The reference."""
        return self.ref_dir / self.ref_name

    @property
    def title(self) -> str:
        """The name of the folder of the results."""
        return f"{Path(self.ref_name).stem}_out"


def read(
    reference: Picture, real: Tensor, name: str, channels: int | None = None, layers: Layers | None = None
) -> Tensor:
    """``reference``, a file or the argument ``name``, with the size, type and device of ``real`` (1, C, H, W).

    Arguments:
        channels: None: those of ``real``.
        layers: of the channels of ``real``.
    """
    from SinGAN.pictures import arrays, images

    if layers is not None:
        return layers.read_like(reference, real, name)
    if arrays.is_file(reference):
        return images.read_like(arrays.path_of(reference), real, channels)
    return arrays.to_image_like(reference, real, channels, name)


def read_marks(mask: Picture, real: Tensor) -> Marks:
    """The pixels (H, W) that ``mask`` marks in white, at the size of ``real`` (1, C, H, W).

    An array of the whole numbers 0 and 1 is taken as boolean.

    Raises:
        ValueError: it marks nothing, or everything.
    """
    from SinGAN.pictures import arrays, masks

    name = str(mask) if arrays.is_file(mask) else "`mask`"
    return masks.check_marks(masks.read_marks(read(arrays.as_mask(mask), real, "mask", channels=3)), name)


def choose_scales(model: Maker, asked: StartScale) -> list[int]:
    """The injection scales that are ``asked`` for, sorted; None among several stands for all.

    Raises:
        ValueError: the model lacks one, or none is named and the model has no default.
    """
    from SinGAN import manipulate

    named = [asked] if isinstance(asked, int) else [*(asked or ())]
    if named:
        return manipulate.injection_scales(model, named)
    if model.injection_scale is not None:
        return [model.injection_scale]
    if asked is None:
        raise ValueError("`start_scale` is needed: the scale where the reference is inserted, 1 to the finest")
    raise ValueError("name the scales where the reference is inserted with `start_scale`: several, or all")


def retouch(
    model: Maker,
    reference: Picture,
    mask: Picture | None,
    start_scale: StartScale,
    count: int,
    seed: Seed,
    radius: int,
    erasable: bool = False,
) -> tuple[Retouched, str]:
    """Insert ``reference`` at each scale and blend it by its mask; also returns a line on the origin of the mask.

    Arguments:
        model: the picture model.
        reference: the picture with the change.
        mask: white where it changes. None: a file's own mask, ``<name>_mask`` beside it; else what is erased, if it is
            ``erasable``; else where it differs.
        start_scale: one or several, see ``choose_scales``.
        count: number of pictures for each scale.
        seed: of the random numbers.
        radius: pixels that the mask grows by, unless the model chooses the seam itself.
        erasable: whether pixels of the reference with an alpha below 128 are to be filled; patches compute them from
            the picture, a trained model starts from the nearest colours.
    """
    from SinGAN.manipulate import Retouched
    from SinGAN.patches.makers import Patches
    from SinGAN.pictures import arrays, images, masks

    scales, real, origin = choose_scales(model, start_scale), model.real, ""
    image = read(reference, real, "reference", layers=model.layers)
    beside = masks.find_mask(arrays.path_of(reference)) if arrays.is_file(reference) else None
    may_be_erased = erasable and mask is None and beside is None and model.layers is None
    erased = masks.find_erased(reference, real.shape[1]) if may_be_erased else None
    if erased is not None:
        marks, origin = read_marks(erased, real), "mask: the area that is erased in the reference"
        if isinstance(model, Patches):
            hole = masks.exact_mask(marks).to(real)
            made = [*model.inpaint(hole, None, make_generator(model, seed), count)]  # which are those of every scale
            return Retouched(real, image, hole, ((scale, None, each) for scale in scales for each in made)), origin
        filled = images.with_channels(arrays.levels_of(reference, 4), real.shape[1])  # under alpha the nearest colours
        image = images.to_image_like(filled, real)
    elif mask is not None:
        marks = read_marks(mask, real)
    else:
        seen = image, real
        if model.layers is not None:
            floats = [model.layers.to_floats(each) for each in seen]
            is_plain, of_picture = model.layers.is_plain, model.layers.channels_of_picture
            seen = (of_picture(floats[0]), of_picture(floats[1])) if is_plain else reduce_to_one_channel(*floats)
        if arrays.is_file(reference):
            marks, origin = masks.find_marks(arrays.path_of(reference), *seen)
        else:
            marks = masks.check_difference(*seen, "`reference`", "give a `mask`, white where it is to change")
    drawn = masks.exact_mask(marks) if model.exact_mask else masks.soft_mask(marks, radius).to(real.device)
    return model.retouch(image, drawn, scales, make_generator(model, seed), count), origin


def reduce_to_one_channel(image: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Two images (1, 1, H, W) that differ as the channel of ``image`` and ``real`` (1, C, H, W) does that does most."""
    gap = (image - real).abs().amax(dim=1, keepdim=True)
    return gap - 1, gap * 0 - 1


def make_results(retouched: Retouched, pictures: Iterable[tuple[str, Tensor]], origin: str = "") -> Results:
    """The results with ``pictures`` by name, the original and the reference first, the mask beside them."""
    from SinGAN.pictures import images

    firsts = {"original": retouched.real, "reference": retouched.reference}
    return Results(pictures, firsts, {"mask_dilated": images.mask_to_image(retouched.mask)}, notes=(origin,))


def insert_reference(call: Call[Reference], function: Callable[..., Results], **changes: Any) -> Results:
    """The results of a task's ``function`` for the reference; with `fine_tune`, of each state of the tuned model.

    Raises:
        ValueError: a scale is out of range, or there is no model that can be fine-tuned.
    """
    from SinGAN.patches.makers import Trained

    options, run, source = call.options, call.run, call.source
    choose_scales(source.maker, options.start_scales)  # before anything is read or trained
    changes = {"reference": options.file, **changes}
    if options.fine_tune is None:
        return replace(call.make(function, **changes), title=options.title)
    if source.manifest is None:
        raise ValueError(f"`fine_tune` trains, and needs `method` {SINGAN}: leave one out")
    if not isinstance(source.maker, Trained):
        raise ValueError(f"`fine_tune` needs a model of `train_mode` {CONCURRENT}: leave it out")
    config = replace(source.manifest.model_options(run.options).training, niter=options.fine_tune)
    own = source.maker.unrefined
    reference, pictures = read(options.file, own.real, "reference", layers=own.layers), dict[str, Any]()
    states = fine_tune(
        source.maker.pyramid, reference, config, run.fresh_rng(), TUNED_EVERY, run.engine.choose(run.device)
    )
    for iterations, pyramid in states:
        results = call.make(function, replace(source.maker, pyramid=pyramid), **changes)
        for name, picture in results.pictures:
            pictures[re.sub(r"^start_scale=\d+", rf"\g<0>_tuned={iterations}", name)] = picture
    return replace(results, pictures=pictures.items(), title=options.title)


def fine_tune(
    pyramid: Pyramid[TrainedScale],
    reference: Tensor,
    config: TrainConfig,
    rng: torch.Generator,
    every: int,
    engine: Engine | None = None,
    progress: bool | None = None,
) -> list[tuple[int, GrownPyramid]]:
    """The states of ``pyramid`` while its newest blocks learn ``reference`` (1, C, H, W), with their iterations.

    Arguments:
        pyramid: of a model of concurrent training.
        reference: the picture that is to be inserted.
        config: of the training; ``niter`` is the number of iterations.
        rng: the source of all randomness.
        every: number of iterations between two states.
        engine: runs the iterations. None: the eager one.
        progress: whether a bar is shown. None: on a terminal.
    """
    from tqdm.auto import tqdm

    from SinGAN.concurrent import tuning
    from SinGAN.engines.engine import EAGER

    states: list[tuple[int, GrownPyramid]] = []
    hidden = None if progress is None else not progress
    with tqdm(total=config.niter, unit="iteration", desc="fine-tuning", disable=hidden, leave=False) as bar:
        tuning.fine_tune(
            pyramid, reference, config, rng, every=every, tick=bar.update, engine=engine or EAGER,
            tuned=lambda iterations, tuned: states.append((iterations, tuned)),
        )  # fmt: skip
    return states
