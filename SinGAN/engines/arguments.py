"""Flattening of the arguments of a loss: dictionaries, dataclasses and tuples."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any


def flatten(value: object) -> Iterator[object]:
    """Yield the nets, tensors and plain values in ``value`` in order, after the type and size of a container."""
    children = _children(value)
    if children is None:
        yield value
        return
    yield type(value), len(children)
    for name, child in children.items():
        yield name
        yield from flatten(child)


def map_parts(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Replace each ``part`` of ``value`` by ``replace(part)``, in the order of ``flatten``."""
    children = _children(value)
    if children is None:
        return replace(value)
    rebuilt = {name: map_parts(child, replace) for name, child in children.items()}
    if isinstance(value, tuple):
        return tuple(rebuilt.values())
    return rebuilt if isinstance(value, dict) else type(value)(**rebuilt)


def _children(value: object) -> dict[Any, Any] | None:
    """The content of a container by name or index; None for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        return dict(enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None
