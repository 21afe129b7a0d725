"""The studio: seconds from a click to the first preview and to the first result, in a real browser.

python benchmarks/studio.py [PHOTO] [--megapixels 1.7 12] [--repeat 3]

Prints a row for each job and size, the median of some repetitions. The server runs on one core with one thread, and
Chromium beside it. The machine's load at the start is printed: on a busy machine the figures are those of its load.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the project, where this is started as a script

from PIL import Image

from tests.studio.browser import MISSING, ROOT, Browser, served

PHOTO = ROOT / "Input" / "Images" / "larches.jpg"
JOBS: dict[str, list[tuple[tuple[float, float], ...]]] = {
    "variations": [],
    "paint": [((0.1, 0.4), (0.4, 0.2), (0.7, 0.4))],
    "remove": [((0.72, 0.45), (0.72, 0.7))],
    "edit": [((0.65, 0.4), (0.8, 0.75)), ((0.72, 0.6), (0.3, 0.65))],
    "extend": [],
}
"""The strokes of each job, by its tool, in parts of the picture."""
PREVIEW = "const live = document.querySelector('singan-viewer.live img[src]'); return !!live"


def measure(browser: Browser, tool: str) -> tuple[float, float]:
    """Seconds from the click on a tool's button to the first preview, and to the first result."""
    before = len(browser.items())
    start = time.monotonic()
    browser.driver.execute_script(f"document.getElementById('make-{tool}').click()")
    wait(lambda: browser.driver.execute_script(PREVIEW) or len(browser.items()) > before)
    preview = time.monotonic() - start
    wait(lambda: len(browser.items()) > before)
    result = time.monotonic() - start
    browser.cancel()
    return preview, result


def wait(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` is true, and look often."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "nothing came within 300 seconds"
        time.sleep(0.02)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, nargs="?", default=PHOTO)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1.7, 12])
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    if MISSING:
        raise SystemExit(MISSING)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| job | megapixels | first preview, s | first result, s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {0})  # inherited by the server
        with served(Path(folder)) as address:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            browser = Browser()
            try:
                browser.open(address)
                for size in args.megapixels:
                    file = Path(folder) / f"photo {size:g}.jpg"
                    with Image.open(args.photo) as picture:
                        share = (size * 1e6 / (picture.width * picture.height)) ** 0.5
                        picture.convert("RGB").resize(
                            (round(share * picture.width), round(share * picture.height))
                        ).save(file)
                    browser.upload(file)
                    browser.opened(file.stem)
                    for tool, strokes in JOBS.items():
                        browser.tool(tool)
                        for points in strokes:
                            browser.drag("canvas", *points)
                        times = [measure(browser, tool) for _ in range(args.repeat)]
                        preview, result = (statistics.median(column) for column in zip(*times, strict=True))
                        print(f"| {tool} | {size:g} | {preview:.2f} | {result:.2f} |", flush=True)
            finally:
                browser.close()


if __name__ == "__main__":
    main()
