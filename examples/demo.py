"""Show in three minutes what SinGAN does: pictures without training, then a small training, all on one page.

    python examples/demo.py          # what `make demo` runs; the last line names the page

The page, Output/demo/index.html, holds its pictures itself, and each with the command that made it.
"""

import base64
import html
import importlib
import io
import os
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = Path("Output/demo")
SEED = "--manualSeed 1"
STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
figure { margin: 2rem 0 } img { max-width: 100%; margin: 0 8px 8px 0; vertical-align: top; object-fit: contain }
code { display: block; overflow-x: auto; white-space: pre; padding: .5rem; background: #8882 }
"""


@dataclass
class Part:
    """A command, and what of its results is shown."""

    title: str
    command: str
    shown: tuple[str, ...]  # patterns below the output folder, or files in Input
    seconds: float = field(default=0.0)


PARTS = (
    Part(
        "Another picture of the same place, without training and at the photo's own size: the photo, then what is made",
        f"random_samples.py --input_name peaks.jpg --mode random_samples --method instant --num_samples 1 {SEED}",
        ("Images/peaks.jpg", "RandomSamples/peaks/*/gen_start_scale=0/[0-9].png"),
    ),
    Part(
        "The fir is gone: a mask marks it, and every other pixel stays",
        f"inpaint.py --input_name larches.jpg --mask Input/Inpaint/larches_mask.png --num_samples 1 {SEED}",
        ("Images/larches.jpg", "Inpaint/larches/*/*/0.png"),
    ),
    Part(
        "Wider, and nothing is stretched",
        f"retarget.py --input_name larches.jpg --scale_h 1.5 {SEED}",
        ("Images/larches.jpg", "Retarget/larches/*/*/0.png"),
    ),
    Part(
        "A summit copied, and made to fit",
        f"editing.py --input_name peaks.jpg --ref_name peaks_edit.jpg --method instant {SEED}",
        ("Editing/peaks_edit.jpg", "Editing/peaks/*/peaks_edit_out/start_scale=*_masked.png"),
    ),
    Part(
        "A few strokes become a photo",
        f"paint2image.py --input_name mountains.png --ref_name mountains_paint.png --method instant {SEED}",
        ("Paint/mountains_paint.png", "Paint2image/mountains/*/mountains_paint_out/start_scale=*.png"),
    ),
    Part(
        "From a model that comes with the project, trained by the default settings: the photo, then other dandelions",
        "random_samples.py --input_name dandelions.png --mode random_samples --num_samples 4 --manualSeed 1",
        ("Images/dandelions.png", "RandomSamples/dandelions/gen_start_scale=0/[0-9].png"),
    ),
    Part(
        "A clock copied, and made to fit by the model",
        "editing.py --input_name dandelions.png --ref_name dandelions_edit.png --editing_start_scale 2 --manualSeed 1",
        ("Editing/dandelions_edit.png", "Editing/dandelions/dandelions_edit_out/start_scale=2_masked.png"),
    ),
    Part(
        "The photo comes alive, by a model of the other kind that comes with the project (--train_mode concurrent)",
        "animation.py --input_name dandelions.png --train_mode concurrent --animation_start_scale 1 "
        "--beta_animation 0.9 --num_frames 24 --manualSeed 1",
        ("Images/dandelions.png", "Animation/dandelions/*/*/*.gif"),
    ),
    Part(
        "A model trained on the photo, in a minute or two: samples (the default takes hours, and is better)",
        "main_train.py --input_name mountains.png --max_size 56 --niter 120 --num_samples 8 --manualSeed 1",
        ("RandomSamples/mountains/gen_start_scale=0/[0-9].png",),
    ),
    Part(
        "Samples of twice the width from the same model",
        "random_samples.py --input_name mountains.png --mode random_samples_arbitrary_sizes --scale_h 2 --scale_v 1 "
        "--num_samples 2 --manualSeed 1",
        ("RandomSamples_ArbitrerySizes/mountains/*/[0-9].png",),
    ),
)


def run(part: Part) -> None:
    """Run the command of ``part`` in this process, which imports PyTorch once; a failure ends the demo."""
    words = [*shlex.split(part.command), "--out", str(OUT)]
    print(f"\n{part.title}\n  python {shlex.join(words)}", flush=True)
    start = time.monotonic()
    importlib.import_module(Path(words[0]).stem).main(words[1:])
    part.seconds = time.monotonic() - start


def pictures(part: Part) -> list[Path]:
    """The files that ``part`` shows."""
    files: list[Path] = []
    for pattern in part.shown:
        given = ROOT / "Input" / pattern
        files += [given] if given.is_file() else sorted((ROOT / OUT).glob(pattern))
    return files


def of_height(picture: Image.Image, height: int) -> Image.Image:
    """``picture``, enlarged or reduced to a height of so many pixels."""
    size = round(height * picture.width / picture.height), height
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def moments(file: Path, height: int) -> list[Image.Image]:
    """The picture in ``file``; of an animation four frames from its beginning to its end."""
    with Image.open(file) as picture:
        count = getattr(picture, "n_frames", 1)
        found = []
        for index in range(4) if count > 1 else [0]:
            picture.seek(index * (count - 1) // 3)
            found.append(of_height(picture, height))
    return found


def as_element(file: Path) -> str:
    """``file`` as an HTML element that holds the picture itself."""
    kind, content = file.suffix[1:], file.read_bytes()
    if kind != "gif":
        kind, shown = "jpeg", io.BytesIO()
        moments(file, 400)[0].save(shown, "JPEG", quality=85)
        content = shown.getvalue()
    return f'<img alt="" height="200" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def page() -> str:
    """The whole page."""
    figures = [
        f"<figure><h2>{html.escape(part.title)}</h2>{''.join(map(as_element, pictures(part)))}"
        f"<figcaption>{part.seconds:.0f} s<code>python {html.escape(part.command)}</code></figcaption></figure>"
        for part in PARTS
    ]
    credit = (
        "<p>Photos: Aitzol Berasategi, CC BY 4.0, and, the dandelions, Clemens Engelhardt, CC0; reduced, and remade by "
        "these commands.</p>"
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    body = f"<body><h1>SinGAN</h1>{''.join(figures)}{credit}</body>"
    return f'<!doctype html><html lang="en"><head><title>SinGAN</title>{head}</head>{body}</html>\n'


def sheet(height: int = 150, gap: int = 8) -> Image.Image:
    """The same pictures on one sheet, a row for each part; of an animation four frames."""
    rows = [[shown for file in pictures(part) for shown in moments(file, height)] for part in PARTS]
    width = max(sum(picture.width + gap for picture in row) for row in rows)
    result = Image.new("RGB", (width - gap, len(rows) * (height + gap) - gap), "white")
    for index, row in enumerate(rows):
        left = 0
        for picture in row:
            result.paste(picture, (left, index * (height + gap)))
            left += picture.width + gap
    return result


def main() -> None:
    os.chdir(ROOT)  # commands name files from there
    sys.path.insert(0, str(ROOT))
    for part in PARTS:
        run(part)
    folder = ROOT / OUT
    sheet().save(folder / "sheet.png")
    (folder / "index.html").write_text(page(), encoding="utf-8")
    print(f"\nall of it on one sheet, {folder / 'sheet.png'}, and on one page:\n{folder / 'index.html'}")


if __name__ == "__main__":
    main()
