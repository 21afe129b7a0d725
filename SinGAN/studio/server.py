"""Serves the page until Ctrl-C."""

import time
from pathlib import Path

import torch
from PIL import Image

from SinGAN.parallel.jobs import slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.studio import page
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import BYTES, PIXELS, Workspace, device
from SinGAN.terminal.watchers import watched


def serve(
    out: Path, inputs: Path, temporary: Path, host: str, port: int, auth: tuple[str, str] | None, browser: bool
) -> None:
    """Serve the page at ``host`` and ``port``; trainings that run when it ends are stopped, and can go on."""
    Image.MAX_IMAGE_PIXELS = PIXELS  # Pillow refuses twice as many, before they are read
    workspace = Workspace(out.absolute(), inputs.absolute())
    runner = LocalRunner(slots(device(), 1, 1, torch.get_num_threads()), watched())
    trainings = Trainings(runner, workspace.out)
    blocks = page.build(workspace, trainings, temporary)
    blocks.queue(default_concurrency_limit=1)
    try:
        blocks.launch(
            server_name=host, server_port=port, auth=auth, inbrowser=browser, share=False, quiet=True,
            max_file_size=BYTES, show_error=False, enable_monitoring=False, prevent_thread_lock=True, ssr_mode=False,
            footer_links=[], **page.look(),
        )  # fmt: skip
        print(f"the studio: http://{host}:{port} (Ctrl-C ends it)", flush=True)
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        print("the studio is closed", flush=True)
    finally:
        trainings.close()
        blocks.close(verbose=False)
