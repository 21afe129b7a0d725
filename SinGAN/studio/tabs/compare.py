"""Compare: the same picture by all that can make it, at one size, with the measures."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
import torch

from SIFID.copies import copied_regions
from SIFID.metrics import diversity
from SinGAN.pictures import arrays, images
from SinGAN.pictures.images import Levels
from SinGAN.studio.making import Recorder
from SinGAN.studio.shared import PRIVATE, QUIET, Shared, first, parse_seed
from SinGAN.studio.work import Piece
from SinGAN.studio.workspace import UNTRAINED, Chosen

DRAWN = 2  # samples of each
COMPARED = 160  # pixels: the longer side at which all are compared
MEASURES: dict[str, list[list[str]]] = {}
"""The measures by piece of work."""


def build(shared: Shared) -> None:
    """The panel."""

    def begin(request: gr.Request, owner: str, pictures: list[Chosen], seed: str) -> str:
        chosen = first(pictures)
        used = 1 if (given := parse_seed(seed)) is None else given
        makers = shared.workspace.makers(chosen, published=True)

        def run(piece: Piece) -> None:
            details = {
                "tool": "compare",
                "title": "Comparison",
                "picture": str(chosen.file),
                "picture_title": chosen.title,
            }
            begun = shared.history.begin(**details, made_by="", seed=used)
            recorder, rows = Recorder(shared.history, owner, begun, piece), list[list[str]]()
            for title, key in makers:
                maker = shared.workspace.maker(chosen, key, COMPARED)
                name, made = UNTRAINED.get(key, title), list[Levels]()
                for levels in maker.iterate("sample", DRAWN, seed=used):
                    made.append(at_size(levels, maker.picture))
                    recorder.add(made[-1], name)
                rows.append([name, *measures(made, maker.picture)])
                MEASURES[piece.id] = list(rows)

        total = DRAWN * len(makers)
        piece = Piece(owner=owner, session=str(request.session_hash), title="Comparison", total=total, run=run)
        while len(MEASURES) > 100:
            del MEASURES[next(iter(MEASURES))]
        shared.worker.submit(piece)
        return piece.id

    gr.Markdown(
        "Two small variations by each method, and by each model that was trained on it. *Diversity*: how much they "
        "differ. *Copied*: how much of them lies in large regions of the picture.",
        elem_classes="words",
    )
    make = gr.Button("Compare", variant="primary", elem_id="make-compare", elem_classes="main")
    names = ["made by", "pixels", "diversity", "copied"]
    table = gr.Dataframe(
        headers=names, interactive=False, label="Measures", wrap=True, elem_id="measures",
        column_widths=["31%", "23%", "24%", "22%"],
    )  # fmt: skip
    piece = gr.State("")
    begun = make.click(begin, [shared.owner, shared.pictures, shared.seed], piece, **PRIVATE)
    followed = shared.follow(begun)
    followed.then(lambda name: MEASURES.get(name, []), piece, table, **QUIET)


def at_size(levels: Levels, like: Levels) -> Levels:
    """``levels`` (H, W, C), reduced to ``COMPARED`` pixels like all others."""
    share = COMPARED / max(like.shape[:2])
    if share >= 1:
        return levels
    size = round(share * levels.shape[0]), round(share * levels.shape[1])
    return arrays.from_image(images.resize(arrays.to_image(levels, levels.shape[2]), size))


def measures(made: Sequence[Levels], real: Levels) -> list[Any]:
    """The size, the diversity and the copied share of ``made``, for the table."""
    shown = at_size(real, real)
    samples, original = torch.cat([arrays.to_image(one) for one in made]), arrays.to_image(shown)
    apart, copied = diversity(samples, original), copied_regions(samples, original).coherent
    return [f"{shown.shape[1]} x {shown.shape[0]}", f"{apart:.2f}", f"{copied:.0%}"]
