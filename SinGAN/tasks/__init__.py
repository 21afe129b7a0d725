"""The tasks: one file each. Its flags, its row of `singan`, its folder and its method in Python follow from its `TASK`.

This package imports nothing slow: `-h` is answered before PyTorch is imported.
"""

import importlib
import pkgutil
from functools import cache

from SinGAN.tasks.task import Task

ORDER = (
    "train", "sample", "harmonize", "edit", "paint", "super-resolve", "animate", "retarget", "inpaint", "outpaint",
    "analogy", "tile", "evaluate", "sifid", "study", "translate", "studio", "export",
)  # fmt: skip
"""The order of the known commands in the help; others follow by name."""


@cache
def tasks() -> dict[str, Task]:
    """Every command of `singan` by its name: the `TASK` or `TASKS` of each module in this folder."""
    found: list[Task] = []
    for name in (entry.name for entry in pkgutil.iter_modules(__path__) if not entry.name.startswith("_")):
        module = importlib.import_module(f"{__name__}.{name}")
        found += getattr(module, "TASKS", ())
        found += [module.TASK] if hasattr(module, "TASK") else []
    places = {name: place for place, name in enumerate(ORDER)}
    return {task.name: task for task in sorted(found, key=lambda task: (places.get(task.name, len(ORDER)), task.name))}
