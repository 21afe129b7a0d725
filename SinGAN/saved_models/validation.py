"""The check of a manifest's file: types, ranges and checksum, before its content is trusted."""

import json
from collections.abc import Mapping
from typing import Any, get_origin

from SinGAN.kinds import KINDS
from SinGAN.options.growing import CONCURRENT
from SinGAN.options.model import with_legacy_defaults
from SinGAN.options.tasks import TASKS, TRAIN
from SinGAN.pictures.layers import Layers
from SinGAN.storage.hashes import sha256

SEALED_SINCE = 0, 3  # the version from which on each file of a model has a hash
SIDE, SCALES = 2**17, 2**10  # more pixels and scales than any model has


def check_fields(values: Any, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a manifest among ``values``, its file's content, completed if an older version wrote it.

    ``kinds`` are the types of the fields, by name.

    Raises:
        KeyError: a field is missing.
        TypeError: a field has another type.
        ValueError: a field is out of range.
    """
    task = TASKS.get(values["task"], TRAIN)
    checksum = _verified(values)
    values = {"kind": "singan", "layers": {}, "noise_border": task.noise_border, "planner": task.planner, **values}
    result = {name: values[name] for name in kinds if name != "checksum"}
    check_types(result, kinds)
    options = with_legacy_defaults(result["options"])
    kind = kind_name(result["kind"], options)
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, which this version does not know")
    Layers.of(result["layers"])
    _check_sizes(result["sizes"], result["factor"])
    KINDS[kind].check_sizes(result["sizes"], result["factor"])
    return {**result, "options": options, "checksum": checksum}


def check_types(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Raise a TypeError if a value is not of its type in ``kinds``, a ValueError if the seed is out of range."""
    for name, value in values.items():
        kind = get_origin(kinds[name]) or kinds[name]
        kind = (int, float) if kind is float else kind
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name} is {value!r:.80}")
    if not 0 <= values["seed"] < 2**63:
        raise ValueError(f"seed is {values['seed']!r:.80}")


def kind_name(kind: str, options: Mapping[str, Any]) -> str:
    """The kind of model in a manifest with ``kind`` and ``options``: older versions wrote singan for two kinds."""
    return str(options["train_mode"]) if (kind, options.get("train_mode")) == ("singan", CONCURRENT) else kind


def _verified(values: Any) -> str | None:
    """The checksum among ``values``, which is that of the rest; None in a manifest of a version that wrote none.

    Raises:
        KeyError, TypeError: the version is missing, or has another type.
        ValueError: something was changed since it was written.
    """
    rest = {name: value for name, value in values.items() if name != "checksum"}
    version = tuple(int(part) for part in rest["versions"]["SinGAN"].split(".")[:2])
    if "checksum" not in values and version < SEALED_SINCE:
        return None
    if values.get("checksum") != checksum_of(rest):
        raise ValueError("its content has changed since it was written")
    return str(values["checksum"])


def checksum_of(values: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's ``values``, all but the checksum among them."""
    rest = {name: value for name, value in values.items() if name != "checksum"}
    return sha256(json.dumps(rest, sort_keys=True).encode())


def _check_sizes(sizes: list[Any], factor: float) -> None:
    """Raise a ValueError unless ``sizes`` are those of scales, and ``factor`` can be their ratio."""
    whole = all(isinstance(size, list) and [type(side) for side in size] == [int, int] for size in sizes)
    if not whole or not 1 <= len(sizes) <= SCALES or not all(1 <= side <= SIDE for size in sizes for side in size):
        raise ValueError(f"sizes are {sizes!r:.80}")
    if not 0 < factor <= 1 or factor * min(sizes[-1]) < 0.5:
        raise ValueError(f"factor is {factor!r}")
