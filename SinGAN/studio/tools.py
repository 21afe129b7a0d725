"""The tools of the page: what each asks for follows from the options of its task that have a slider."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from SinGAN.library.instant import InstantModel
from SinGAN.library.model import Model
from SinGAN.options.applications import VARIETIES
from SinGAN.options.option import Option, get_options
from SinGAN.tasks import tasks
from SinGAN.tasks.task import Task

NEAR, FREE, WILD, EACH = "near", "free", "wild", "each"
FREEDOMS = (NEAR, FREE, WILD)
FREELY = {
    "variety": "near keeps close to your picture, free is another one of the same kind, wild is hardly recognizable",
    "injection": "near keeps what you drew, free makes it fit, wild makes something new of it",
    "walk": "near stirs a little, free moves, wild changes everything",
}
"""What near, free and wild mean, by what they decide."""
WALKS = {NEAR: (2, 0.3, 0.95), FREE: (1, 0.1, 0.9), WILD: (0, 0.05, 0.85)}
"""Start scale, alpha and beta of an animation for each word."""
LABELS = {
    "count": ("How many", ""),
    "scale_h": ("Width", "2 is twice as wide"),
    "scale_v": ("Height", "2 is twice as high"),
    "left": ("Left", "percent of the width"),
    "right": ("Right", "percent of the width"),
    "top": ("Top", "percent of the height"),
    "bottom": ("Bottom", "percent of the height"),
    "factor": ("Times as large", ""),
    "back_projection": (
        "Back-projection rounds",
        "pull the enlargement towards the picture: more is truer, then ringed",
    ),
    "frames": ("Frames", "pictures of the animation"),
    "fps": ("Frames per second", ""),
    "alpha": ("Alpha", "pull to the picture: 1 hardly moves"),
    "beta": ("Beta", "smoothness: lower jumps more"),
    "max_size": ("the size of results", ""),
    "guide_weight": ("How strictly", "how closely results follow what you paint"),
}
"""The label of a control, and a line on what it does."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool of the page: a task in words for people who know none."""

    id: str
    title: str
    task: str  # of SinGAN.tasks
    button: str
    words: str  # a line on what it does
    canvas: str = "look"  # what is done on the picture: look, paint, edit, mask, arrange
    undrawn: str = ""  # what to do first, where nothing is drawn
    plain: tuple[str, ...] = ("count",)  # the controls that are shown; the others are folded away
    freedom: str = ""  # what near, free and wild decide: variety, injection or walk; "": there is no choice
    walk: bool = False  # the result is an animation

    @property
    def declared(self) -> Task:
        """The task's declaration."""
        return tasks()[self.task]

    @property
    def options(self) -> dict[str, Option]:
        """The options that have a slider, by the argument of the task's method."""
        entries = get_options(self.declared.options or type(None)).values()
        found = {entry.argument or entry.name: entry for entry in entries if entry.slider is not None}
        if self.freedom == "walk":  # near, free and wild decide
            return {name: entry for name, entry in found.items() if name not in ("alpha", "beta")}
        return found

    @property
    def has_count(self) -> bool:
        """Whether the user chooses how many results come."""
        return "count" in self.plain

    @property
    def takes_models(self) -> bool:
        """Whether trained models do the task, too."""
        return "trained" in self.declared.models

    @property
    def needs_model(self) -> bool:
        """Whether only trained models do the task."""
        return "patches" not in self.declared.models

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the task's method for the ``values`` of the controls by name."""
        named = {}
        for name, entry in self.options.items():
            value = int(values[name]) if entry.kind is int or entry.unit else float(values[name])
            named[name] = f"{value}{entry.unit}" if entry.unit else value
        if self.has_count:
            named["count"] = int(values["count"])
        return named


TOOLS = {
    tool.id: tool
    for tool in (
        Tool(
            id="variations", title="Variations", task="sample", button="Make variations", freedom="variety",
            words="New pictures of the same kind: the same materials, another arrangement.",
        ),
        Tool(
            id="paint", title="Paint", task="paint", button="Make a picture of it", canvas="paint", freedom="injection",
            words="Paint a few rough shapes in the picture's colours. They become a picture like yours.",
            undrawn="paint something first",
        ),
        Tool(
            id="arrange", title="Arrange", task="analogy", button="Make a picture of it", canvas="arrange",
            plain=("guide_weight", "count"),
            words="Another arrangement of what your photo shows, such as sky, trees and rock: say what is where, then "
            "paint where it shall be.",
            undrawn="colour the parts of your photo, then, under \u201cIn the new picture\u201d, paint where they "
            "shall be",
        ),
        Tool(
            id="remove", title="Remove", task="inpaint", button="Remove it", canvas="mask",
            words="Mark what is to go. The gap is filled from the rest of the picture; everything else stays as it is.",
            undrawn="brush over what is to go, or draw round it",
        ),
        Tool(
            id="edit", title="Move & copy", task="edit", button="Make it fit", canvas="edit", freedom="injection",
            words="Move or copy a part of the picture, or add an object from another one. Its edges are made to fit; "
            "everything else stays as it is.",
            undrawn="draw round a part of the picture and drag it, or add an object from a file",
        ),
        Tool(
            id="extend", title="Extend", task="outpaint", button="Extend",
            plain=("left", "right", "top", "bottom", "count"),
            words="More of the scene beyond the picture's edges. The picture itself stays as it is.",
        ),
        Tool(
            id="reshape", title="Reshape", task="retarget", button="Reshape", plain=("scale_h", "scale_v", "count"),
            words="Other proportions: there is more or less of everything, and nothing is stretched.",
        ),
        Tool(
            id="tile", title="Tile", task="tile", button="Make tiles",
            words="A picture that can be laid side by side without a seam, for wallpapers and fabrics. "
            "\u201cRepeat\u201d above the result shows it laid out.",
        ),
        Tool(
            id="enlarge", title="Enlarge", task="super-resolve", button="Enlarge", plain=("factor",),
            words="A larger picture, with new detail. The picture must be trained once: see \u201cTrain\u201d.",
        ),
        Tool(
            id="animate", title="Animate", task="animate", button="Animate", plain=("frames", "fps"), freedom="walk",
            words="A short film in which the picture stirs. It must be trained once: see \u201cTrain\u201d.", walk=True,
        ),
    )
}  # fmt: skip
"""The tools by id, in the order of the page."""


def label_of(name: str, entry: Option | None = None) -> tuple[str, str]:
    """The label of the control ``name``, and a line on what it does; from its option where no other is given."""
    if name in LABELS:
        return LABELS[name]
    words = re.sub(r"^with [^:]*: ", "", entry.help) if entry else ""
    plain = name.replace("_", " ")
    return plain[0].upper() + plain[1:], words


def scales_of(tool: Tool, maker: InstantModel | Model, word: str, on_photo: bool = False) -> int | None:
    """The scale where ``maker`` starts for ``word``, one of ``FREEDOMS``; None: the maker has its own.

    A painting ``on_photo`` starts three scales finer: coarser ones give back what the photo shows there.
    """
    if tool.freedom == "variety":
        if isinstance(maker, InstantModel):
            return None  # ``variety`` decides
        starts = maker.start_scales
        near = max(2, round(0.4 * len(starts)))
        return starts[min(len(starts) - 1, {WILD: 0, FREE: 1, NEAR: near}[word])]
    if tool.freedom == "injection":
        scales = maker.injection_scales
        usual = maker.injection_scale
        middle = scales[(len(scales) - 1) // 2] if usual is None else usual
        step = max(1, len(scales) // 4)
        return min(scales[-1], max(scales[0], middle + 3 * on_photo + {WILD: -step, FREE: 0, NEAR: step}[word]))
    return None


def variety_of(word: str) -> str:
    """The variety of training-free samples for ``word``."""
    return VARIETIES[(NEAR, FREE, WILD).index(word)]
