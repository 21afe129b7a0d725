"""The panels of the page: one for each tool, and those of packages that build on this one."""

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial

from SinGAN.studio.shared import Shared
from SinGAN.studio.tabs import compare, task, training
from SinGAN.studio.tools import TOOLS
from SinGAN.studio.workspace import Workspace

OTHERS = {"Labels": "Pix2Pix.pages.tab"}
"""The panels of packages that build on this one: by title, the module with the function ``build``."""


def panels() -> dict[str, tuple[str, str, Callable[[Shared], None]]]:
    """The panels by id: the title, what is done on the picture, and the function that builds it."""
    found: dict[str, tuple[str, str, Callable[[Shared], None]]] = {
        tool.id: (tool.title, tool.canvas, partial(task.build, tool=tool)) for tool in TOOLS.values()
    }
    found |= {"train": ("Train", "look", training.build), "compare": ("Compare", "look", compare.build)}
    for title, name in OTHERS.items():
        if importlib.util.find_spec(name.partition(".")[0]):
            found[title.lower()] = (title, "look", importlib.import_module(name).build)
    return found


def titles_of(workspace: Workspace) -> list[tuple[str, str]]:
    """The titles and ids of the panels; those of other packages only if they have models."""
    hidden = {
        title.lower()
        for title, name in OTHERS.items()
        if importlib.util.find_spec(name.partition(".")[0]) and not importlib.import_module(name).names(workspace)
    }
    return [(title, name) for name, (title, _, _) in panels().items() if name not in hidden]
