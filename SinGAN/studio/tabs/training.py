"""Train: four presets and all flags of a training, which can be watched, stopped and resumed."""

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr
import pandas as pd

from SinGAN.options.model import ModelOptions
from SinGAN.options.option import Option, get_options
from SinGAN.parallel.queue import DONE, RUNNING
from SinGAN.runs.progress import duration
from SinGAN.studio.shared import GALLERY, PRIVATE, Shared, require_picture, show_errors
from SinGAN.studio.trainings import PRESETS, PURPOSES, Training
from SinGAN.studio.workspace import Chosen

FIXED = {"netG", "stride", "padd_size"}  # options that the page does not ask for
OPTIONS = {name: entry for name, entry in get_options(ModelOptions).items() if name not in FIXED}
PRESET_OPTIONS = ("max_size", "niter", "train_mode")
WORDS = {
    "quick": "quick: 100 pixels, 200 iterations a scale",
    "good": "good: 160 pixels, 1000 iterations a scale",
    "paper": "paper: 250 pixels, 2000 iterations a scale, hours without a GPU",
    "full size": "full size: the layout is learned at 64 pixels, the picture's own detail is added",
}


def build(shared: Shared) -> None:
    """The tab."""
    trainings = shared.trainings

    def begin(owner: str, chosen: Chosen | None, purpose: str, *values: Any) -> Any:
        training = trainings.begin(owner, require_picture(chosen), purpose, asked_for(values))
        return gr.update(choices=choices(owner), value=training.job.id), gr.Timer(active=True)

    def choices(owner: str) -> list[tuple[str, str]]:
        return [(f"{training.title}: {training.state}", training.job.id) for training in trainings.of(owner)]

    def chosen_of(owner: str, training_id: str | None) -> Training | None:
        mine = trainings.of(owner)
        return next((training for training in mine if training.job.id == training_id), mine[0] if mine else None)

    def look(owner: str, training_id: str | None) -> tuple[Any, ...]:
        training = chosen_of(owner, training_id)
        if training is None:
            return gr.update(choices=[], value=None), "", gr.skip(), [], gr.Timer(active=False)
        return (
            gr.update(choices=choices(owner), value=training.job.id),
            status(training),
            curves(training),
            training.scales(),
            gr.Timer(active=any(mine.is_active for mine in trainings.of(owner))),
        )

    def stop(owner: str, training_id: str | None) -> None:
        trainings.stop(owner, training_id or "")

    def resume(owner: str, training_id: str | None) -> None:
        trainings.resume(owner, training_id or "")

    with gr.Row():
        purpose = gr.Radio(list(PURPOSES), value=next(iter(PURPOSES)), label="What for")
        preset = gr.Radio([(words, name) for name, words in WORDS.items()], value="quick", label="How well")
    with gr.Accordion("More: all flags of a training", open=False), gr.Row(elem_classes="flags"):
        controls = {name: control(entry) for name, entry in OPTIONS.items()}
    with gr.Row():
        make = gr.Button("Train", variant="primary", elem_id="train")
        end = gr.Button("Stop", elem_id="stop")
        again = gr.Button("Resume", elem_id="resume")
    mine = gr.Dropdown([], label="Your trainings", elem_id="trainings")
    line = gr.HTML(elem_id="training-status")
    plot = gr.LinePlot(
        x="time", y="loss", color="name", title="Losses", height=220, elem_id="losses",
        x_title="updates so far", y_title="loss",
    )  # fmt: skip
    gallery = gr.Gallery(label="Each finished scale", elem_id="scales", **{**GALLERY, "columns": 4})
    timer = gr.Timer(1.5, active=True)
    shown = [mine, line, plot, gallery, timer]
    preset.change(
        lambda name: [str(PRESETS[name].get(key, "")) for key in PRESET_OPTIONS], preset,
        [controls[name] for name in PRESET_OPTIONS], **PRIVATE,
    )  # fmt: skip
    begun = make.click(
        show_errors(begin), [shared.owner, shared.chosen, purpose, *controls.values()], [mine, timer], **PRIVATE
    )
    begun.success(look, [shared.owner, mine], shown, show_progress="hidden", **PRIVATE)
    for button, handler in ((end, stop), (again, resume)):
        pressed = button.click(show_errors(handler), [shared.owner, mine], None, **PRIVATE)
        pressed.success(look, [shared.owner, mine], shown, show_progress="hidden", **PRIVATE)
    for event in (timer.tick, mine.input, shared.owner.change):
        event(look, [shared.owner, mine], shown, show_progress="hidden", **PRIVATE)


def control(entry: Option) -> Any:
    """A control for an option; empty it stands for what holds by itself."""
    words: dict[str, Any] = {"label": f"--{entry.name}", "info": entry.help, "elem_id": f"flag-{entry.name}"}
    if entry.kind is bool:
        return gr.Checkbox(False, **words)
    if entry.choices:
        return gr.Dropdown([(default_of(entry), ""), *((str(one), one) for one in entry.choices)], value="", **words)
    value = str(PRESETS["quick"].get(entry.name, ""))
    return gr.Textbox(value, placeholder=default_of(entry), max_lines=1, max_length=30, **words)


def default_of(entry: Option) -> str:
    """What holds where nothing is asked, in words."""
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
                raise ValueError(f"`{name}` {error}") from None
    return options


def status(training: Training) -> str:
    """How far ``training`` is, as HTML."""
    left = f", {duration(training.seconds_left)} left" if training.state == RUNNING and training.seconds_left else ""
    if training.state == DONE:
        left = ": choose it on the left, under \u201cMade by\u201d"
    title, share = html.escape(training.title), f"{training.share:.4f}"
    return (
        f'<div class="progress" data-state="{training.state}"><progress max="1" value="{share}"></progress>'
        f"<b><bdi>{title}</bdi>: {training.state}{left}</b><span>{html.escape(training.text)}</span></div>"
    )


def curves(training: Training) -> pd.DataFrame:
    """The losses of ``training`` as a table for the plot."""
    rows = [(time, value, name) for time, losses in list(training.curve) for name, value in losses.items()]
    return pd.DataFrame(rows, columns=["time", "loss", "name"])
