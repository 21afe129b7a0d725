"""The notebook runs from top to bottom, and holds no results of an old run."""

import gc
import json
import threading
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the client leaves sockets open
def test_training_in_a_kernel_can_be_interrupted_and_run_again() -> None:
    manager = pytest.importorskip("jupyter_client").manager
    picture = str(NOTEBOOK.parent.parent / "Input" / "Images" / "brook.png")
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(NOTEBOOK.parent.parent))

    def run(niter: int, interrupted_after: float = 0) -> tuple[str, str]:
        """Run a training; returns what it printed on stdout and its error."""
        printed = []

        def hook(message: Any) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        if interrupted_after:
            threading.Timer(interrupted_after, kernel.interrupt_kernel).start()
        cell = CELL.format(picture=picture, niter=niter)
        reply = client.execute_interactive(cell, output_hook=hook, timeout=300)
        return "".join(printed), " ".join(str(reply["content"].get(key, "")) for key in ("ename", "evalue"))

    try:
        first = run(2)
        assert first[0].startswith("drawn"), first
        assert run(100_000, interrupted_after=5) == ("", "KeyboardInterrupt ")
        assert run(2) == first
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        del client, kernel
        gc.collect()


def test_the_notebook_is_kept_without_results() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells)
