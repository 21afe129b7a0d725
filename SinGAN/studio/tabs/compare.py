"""Compare: the same picture by all that can make it, with the measures under each."""

from typing import Any

import gradio as gr
import numpy as np
import torch

from SIFID.copies import copied_regions
from SIFID.metrics import diversity
from SinGAN.pictures import arrays
from SinGAN.studio.shared import GALLERY, PRIVATE, Clock, Shared, parse_seed, require_picture, seed_field, show_errors
from SinGAN.studio.workspace import UNTRAINED, Chosen

DRAWN = 4  # samples of each
COMPARED = 120  # pixels, the longer side at which methods are compared, at most: measures take their time


def build(shared: Shared) -> None:
    """The tab."""

    def compare(chosen: Chosen | None, size: float, seed: str) -> tuple[Any, Any]:
        used = 1 if parse_seed(seed) is None else parse_seed(seed)
        trained = {model.key: model.title for model in shared.workspace.of_picture(require_picture(chosen))}
        sheets, rows = [], []
        for key, title in {**UNTRAINED, **trained}.items():
            maker = shared.maker(chosen, key, min(size, COMPARED))
            clock = Clock()
            pictures = maker.sample(DRAWN, seed=used)
            seconds = clock.seconds / len(pictures)
            real, samples = arrays.to_image(maker.picture), torch.cat([arrays.to_image(one) for one in pictures])
            apart, copied = diversity(samples, real), copied_regions(samples, real).coherent
            pixels = f"{maker.size[1]} x {maker.size[0]}"
            rows.append([title, pixels, f"{seconds:.2f}", f"{apart:.2f}", f"{copied:.0%}"])
            pairs = (pictures[first : first + 2] for first in range(0, len(pictures) - 1, 2))
            two = [np.concatenate(list(pair), axis=1) for pair in pairs] or [pictures[0]]
            caption = f"{title}: diversity {apart:.2f}, copied {copied:.0%}, {seconds:.2f} s"
            sheets.append((np.concatenate(two), caption))
        return sheets, rows

    gr.Markdown(
        "Four samples of each. *Diversity*: how far they differ from each other, in units of the picture's contrast. "
        "*Copied*: how much of them lies in large regions that are the picture's. Times are for one sample."
    )
    seed = seed_field("1")
    make = gr.Button("Compare", variant="primary", elem_id="make-compare")
    gallery = gr.Gallery(label="Samples", elem_id="compared", **{**GALLERY, "columns": 2})
    names = ["made by", "pixels", "seconds", "diversity", "copied"]
    table = gr.Dataframe(headers=names, interactive=False, label="Measures", wrap=True)
    make.click(show_errors(compare), [shared.chosen, shared.size, seed], [gallery, table], **PRIVATE)
