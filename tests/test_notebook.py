"""The notebook runs from top to bottom, and holds no results of an old run."""

import gc
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "singan.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", ())
    ]
    assert len(pictures) >= 6


CELL = """
import SinGAN
model = SinGAN.train({picture!r}, seed=1, device="cpu", min_size=12, max_size=25, nfc=4, min_nfc=4, niter={niter})
print("drawn", model.sample(2, seed=1).sum())
"""


def in_a_kernel(calls: Sequence[tuple[int, float]]) -> list[tuple[str, str]]:
    """Train in a kernel for each (niter, seconds until an interrupt or 0); returns what is printed, and the errors."""
    manager = pytest.importorskip("jupyter_client").manager
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(NOTEBOOK.parent.parent))
    results, printed = [], list[str]()

    def hook(message: Any) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])

    try:
        for niter, seconds in calls:
            if seconds:
                threading.Timer(seconds, kernel.interrupt_kernel).start()
            cell = CELL.format(picture=str(NOTEBOOK.parent.parent / "Input" / "Images" / "brook.png"), niter=niter)
            content = client.execute_interactive(cell, output_hook=hook, timeout=300)["content"]
            results.append(("".join(printed), f"{content.get('ename', '')} {content.get('evalue', '')}".strip()))
            printed.clear()
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    return results


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_training_in_a_kernel_can_be_interrupted_and_run_again() -> None:
    first, second, third = in_a_kernel([(2, 0), (100_000, 5), (2, 0)])
    gc.collect()  # here, where the warnings of the client's open sockets are ignored
    assert first[0].startswith("drawn"), first
    assert second == ("", "KeyboardInterrupt")
    assert third == first


def test_the_notebook_is_kept_without_results() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells)
