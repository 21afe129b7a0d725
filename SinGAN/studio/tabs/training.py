"""Train: a model of the picture, in words or with every option; it can be watched, stopped and resumed."""

import html
import io
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from SinGAN.options.model import ModelOptions
from SinGAN.options.option import Option, get_options
from SinGAN.parallel.queue import DONE, FAILED, RUNNING, STOPPED
from SinGAN.pictures import plots
from SinGAN.pictures.images import Levels
from SinGAN.runs.progress import duration
from SinGAN.studio.shared import GALLERY, PRIVATE, QUIET, Shared, channel, first
from SinGAN.studio.tools import label_of
from SinGAN.studio.trainings import PRESETS, PURPOSES, Training, plain_words
from SinGAN.studio.workspace import Chosen

FIXED = {"netG", "stride", "padd_size"}  # options that the page does not ask for
OPTIONS = {name: entry for name, entry in get_options(ModelOptions).items() if name not in FIXED}
PRESET_OPTIONS = ("max_size", "niter", "train_mode")
WORDS = {
    "quick": "quick: small, in minutes",
    "good": "good: half an hour or so",
    "paper": "best: as published, hours without a graphics card",
    "full size": "full size: in minutes, with the photo's own resolution",
}
AIMS = dict(zip(PURPOSES, ("new pictures, edits and paintings", "a film: the picture stirs"), strict=True))
CURVE = 10  # updates from one plot of the losses to the next
STATES = {
    "waiting": "waits for its turn", "running": "is being trained", "stopped": "was stopped", "failed": "failed",
    "done": "is ready",
}  # fmt: skip


def build(shared: Shared) -> None:
    """The panel."""
    trainings = shared.trainings

    def begin(owner: str, pictures: list[Chosen], purpose: str, *values: Any) -> Any:
        chosen, options = first(pictures), asked_for(values)
        if found := trainings.differences(chosen, purpose, options):
            words = f"There is a model of **{escape(chosen.title)}** with other settings: {escape('; '.join(found))}."
            return gr.skip(), gr.skip(), gr.update(value=words, visible=True), *shown(True)
        training = trainings.begin(owner, chosen, purpose, options)
        return selected(owner, training), gr.Timer(active=True), gr.update(visible=False), *shown(False)

    def replace(owner: str, pictures: list[Chosen], purpose: str, *values: Any) -> Any:
        training = trainings.begin(owner, first(pictures), purpose, asked_for(values), overwrite=True)
        return selected(owner, training), gr.Timer(active=True), gr.update(visible=False), *shown(False)

    def keep_both(owner: str, pictures: list[Chosen], purpose: str, *values: Any) -> Any:
        chosen, options = first(pictures), asked_for(values)
        copy = trainings.second(chosen, purpose, options, shared.workspace.pictures)
        training = trainings.begin(owner, copy, purpose, options)
        return selected(owner, training), gr.Timer(active=True), gr.update(visible=False), *shown(False)

    def shown(is_there: bool) -> tuple[Any, Any]:
        return gr.update(visible=is_there), gr.update(visible=is_there)

    def selected(owner: str, training: Training) -> Any:
        return gr.update(choices=choices(owner), value=training.job.id)

    def choices(owner: str) -> list[tuple[str, str]]:
        return [(f"{training.title} {STATES[training.state]}", training.job.id) for training in trainings.of(owner)]

    def chosen_of(owner: str, training_id: str | None) -> Training | None:
        mine = trainings.of(owner)
        return next((training for training in mine if training.job.id == training_id), mine[0] if mine else None)

    def look(owner: str, training_id: str | None, drawn: str) -> tuple[Any, ...]:
        if not owner or (training := chosen_of(owner, training_id)) is None:
            hidden = [gr.update(visible=False)] * 4
            return (
                gr.update(choices=[], value=None, visible=False),
                "",
                gr.skip(),
                "",
                gr.skip(),
                gr.Timer(active=False),
                *hidden,
            )
        active, now = training.is_active, f"{training.job.id} {training.state} {len(training.curve) // CURVE}"
        picture = gr.skip() if now == drawn else gr.update(value=curves(training), visible=len(training.curve) > 1)
        scales = training.scales()
        return (
            gr.update(choices=choices(owner), value=training.job.id, visible=True), status(training), picture, now,
            gr.skip() if now == drawn else gr.update(value=scales, visible=bool(scales)),
            gr.Timer(active=any(mine.is_active for mine in trainings.of(owner))),
            gr.update(visible=active), gr.update(visible=training.state in (STOPPED, FAILED)),
            gr.update(visible=training.state == DONE), gr.skip(),
        )  # fmt: skip

    def stop(owner: str, training_id: str | None) -> None:
        trainings.stop(owner, training_id or "")

    def resume(owner: str, training_id: str | None) -> None:
        trainings.resume(owner, training_id or "")

    gr.Markdown(
        "The computer studies your picture for some minutes or longer. Then it can enlarge and animate it, and make "
        "freer variations. You can close the page meanwhile.",
        elem_classes="words",
    )
    purpose = gr.Radio(
        [(AIMS[name], name) for name in PURPOSES], value=next(iter(PURPOSES)), label="What for", elem_id="purpose"
    )
    preset = gr.Radio(
        [(words, name) for name, words in WORDS.items()], value="quick", label="How well", elem_id="preset"
    )
    controls = dict[str, Any]()
    with gr.Accordion("Exact settings", open=False, elem_classes="exact", elem_id="flags"):
        for group, entries in groupby(OPTIONS.values(), key=lambda entry: entry.group):
            gr.Markdown(f"**{group[0].upper()}{group[1:]}**")
            with gr.Row(elem_classes="flags"):
                controls |= {entry.name: control(entry) for entry in entries}
    make = gr.Button("Train", variant="primary", elem_id="train", elem_classes="main")
    with gr.Column(elem_classes="after"):
        asked = gr.Markdown(visible=False, elem_id="model-exists")
        with gr.Row():
            other = gr.Button("Replace it", visible=False, elem_id="replace-model")
            both = gr.Button("Keep both", visible=False, elem_id="keep-both")
        mine = gr.Dropdown([], label="Your trainings", elem_id="trainings", visible=False)
        line = gr.HTML(elem_id="training-status")
        with gr.Row():
            end = gr.Button("Stop", elem_id="stop", visible=False)
            again = gr.Button("Resume", elem_id="resume", visible=False)
            use = gr.Button("Use it", elem_id="use-model", visible=False)
        plot = gr.Image(
            label="How it learns", interactive=False, visible=False, elem_id="losses", buttons=[], format="png"
        )
        gallery = gr.Gallery(label="What it has learned so far", elem_id="scales", visible=False, **GALLERY)
    timer, drawn, nothing = gr.Timer(1.5, active=True), gr.State(""), gr.State(None)
    outputs = [mine, line, plot, drawn, gallery, timer, end, again, use, nothing]
    preset.change(
        lambda name: [str(PRESETS[name].get(key, "")) for key in PRESET_OPTIONS], preset,
        [controls[name] for name in PRESET_OPTIONS], **QUIET,
    )  # fmt: skip
    inputs = [shared.owner, shared.pictures, purpose, *controls.values()]
    for button, handler in ((make, begin), (other, replace), (both, keep_both)):
        begun = button.click(handler, inputs, [mine, timer, asked, other, both], **PRIVATE)
        begun.success(look, [shared.owner, mine, drawn], outputs, **QUIET)
    for button, act in ((end, stop), (again, resume)):
        pressed = button.click(act, [shared.owner, mine], None, **PRIVATE)
        pressed.success(look, [shared.owner, mine, drawn], outputs, **QUIET)
    for event in (timer.tick, mine.input, shared.owner.change):
        event(look, [shared.owner, mine, drawn], outputs, **QUIET)

    def use_model(owner: str, pictures: list[Chosen], training_id: str | None) -> tuple[Any, str]:
        training = chosen_of(owner, training_id)
        if training is None:
            return gr.skip(), ""
        now = time.monotonic_ns()  # a channel takes each text once
        if training.is_for_films:
            return gr.skip(), f"animate {now}"
        folder, known = training.job.folder, shared.workspace.makers(pictures[0]) if pictures else []
        keys = [key for _, key in known if key.endswith(f"{folder.parent.name}/{folder.name}")]
        if not keys:
            raise ValueError(f"this is a model of {training.title}: open that picture first")
        return gr.update(choices=known, value=keys[0], visible=True), f"variations {now}"

    tool = channel("tool", "((text) => text && singanTool(text.split(' ')[0]))")
    use.click(use_model, [shared.owner, shared.pictures, mine], [shared.made_by, tool], **PRIVATE)


def control(entry: Option) -> Any:
    """A control for an option; empty it stands for the default."""
    label, words = label_of(entry.name, entry)
    details: dict[str, Any] = {
        "label": label,
        "info": entry.help.replace("--", "") or words,
        "elem_id": f"flag-{entry.name}",
    }
    if entry.kind is bool:
        return gr.Checkbox(False, **details)
    if entry.choices:
        return gr.Dropdown([(default_of(entry), ""), *((str(one), one) for one in entry.choices)], value="", **details)
    value = str(PRESETS["quick"].get(entry.name, ""))
    return gr.Textbox(value, placeholder=default_of(entry), max_lines=1, max_length=30, **details)


def default_of(entry: Option) -> str:
    """The default, in words."""
    return f"{entry.unset if entry.default is None else entry.default}"


def asked_for(values: Sequence[Any]) -> dict[str, Any]:
    """The options that the controls' ``values`` ask for, by name.

    Raises:
        ValueError: one is out of range.
    """
    options = {}
    for (name, entry), value in zip(OPTIONS.items(), values, strict=True):
        if value is True or (isinstance(value, str) and value.strip()):
            try:
                options[name] = value if value is True or entry.choices else entry.parse(value.strip())
            except ValueError as error:
                raise ValueError(f"{label_of(name, entry)[0]} {error}") from None
    return options


def status(training: Training) -> str:
    """How far ``training`` is, as HTML."""
    left = f", {duration(training.seconds_left)} left" if training.state == RUNNING and training.seconds_left else ""
    if training.state == DONE:
        left = ": \u201cUse it\u201d makes pictures with it"
    words, share = f"<bdi>{escape(training.title)}</bdi> {STATES[training.state]}{left}", f"{training.share:.4f}"
    text = escape(plain_words(training.text))
    if text and training.state != FAILED:  # in the field's terms
        text = f"<details><summary>Details</summary>{text}</details>"
    bar = f'<progress max="1" value="{share}" aria-label="part that is done"></progress>'
    return (
        f'<div class="progress" data-state="{training.state}" role="status">{bar}'
        f"<b>{words}</b><span>{text}</span></div>"
    )


def escape(words: str) -> str:
    """``words`` as HTML."""
    return html.escape(words)


def curves(training: Training) -> Levels | None:
    """The losses of ``training`` as a picture (H, W, 3); None while there are too few."""
    points = list(training.curve)
    if len(points) < 2:
        return None
    names = list(dict.fromkeys(name for _, losses in points for name in losses))
    panel = plots.Panel("", {name: [losses.get(name, float("nan")) for _, losses in points] for name in names})
    content = io.BytesIO()
    plots.curves([panel], "progress").savefig(content, format="png", dpi=110)
    with Image.open(content) as picture:
        return np.asarray(picture.convert("RGB"))
