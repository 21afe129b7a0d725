"""What a trained model and patches share in Python: properties, and a method for each of their tasks."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, cast, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from SinGAN.library.arguments import check_arguments
from SinGAN.options.model import ModelOptions
from SinGAN.patches.makers import Maker
from SinGAN.pictures import arrays
from SinGAN.pictures.images import Levels
from SinGAN.pictures.layers import Layers
from SinGAN.tasks import tasks
from SinGAN.tasks.edit import edit
from SinGAN.tasks.harmonize import harmonize
from SinGAN.tasks.outpaint import outpaint
from SinGAN.tasks.paint import paint
from SinGAN.tasks.sample import sample
from SinGAN.tasks.task import Results

Pictures = Levels  # (count, H, W, C)
MapsOfPictures = dict[str, npt.NDArray[Any]]
"""The maps of several pictures by name, each (count, H, W) or (count, H, W, C), in their own type."""
Arguments = ParamSpec("Arguments")


class BoundMethod(Protocol[Arguments]):
    """A method of a library object, with the arguments of a task's function, and ``maps``."""

    @overload
    def __call__(self, *values: Arguments.args, **named: Arguments.kwargs) -> Pictures: ...

    @overload
    def __call__(self, *values: Any, maps: Literal[True], **named: Any) -> tuple[Pictures, MapsOfPictures]: ...


class Method(Protocol[Arguments]):
    """The type of ``method``, for type checkers."""

    @overload
    def __get__(self, instance: None, owner: type) -> "Method[Arguments]": ...

    @overload
    def __get__(self, instance: "FromPicture", owner: type) -> BoundMethod[Arguments]: ...


def method(function: Callable[Concatenate[Any, Arguments], Results], alone: bool = False) -> Method[Arguments]:
    """The method of a library object that calls a task's ``function``, and returns its pictures as one array.

    With ``maps=True`` it returns also a dictionary of the pictures' maps, each (count, H, W, C) or (count, H, W).

    Arguments:
        function: of a task.
        alone: whether the first picture alone, and its maps, are returned: (H, W, C).
    """

    @functools.wraps(function)
    def call(self: "FromPicture", /, *values: Any, maps: bool = False, **named: Any) -> Any:
        model = self._for(function)
        if maps and not (model._maker.layers and model._maker.layers.maps):
            raise ValueError("`maps` are asked for, but the picture has none: name them when you open it or train")
        results = _results(model, function, values, named)
        pictures, of_maps = model._arrays(torch.cat([picture for _, picture in results.pictures]))
        if alone:
            pictures, of_maps = pictures[0], {name: values[0] for name, values in of_maps.items()}
        return (pictures, of_maps) if maps else pictures

    return cast(Method[Arguments], call)


def _results(
    model: "FromPicture", function: Callable[..., Results], values: Sequence[Any], named: Mapping[str, Any]
) -> Results:
    """The results of a task's ``function`` for arguments, which are checked."""
    signature = inspect.signature(function)
    given = signature.bind(model._maker, *values, **named)
    declared = [task.options for task in tasks().values() if task.method is function and task.options]
    check_arguments(signature, [ModelOptions, *declared], given.arguments)
    return function(*given.args, **given.kwargs)


class FromPicture(ABC):
    """Something that makes pictures like one picture."""

    sample = method(sample)
    harmonize = method(harmonize)
    edit = method(edit)
    paint = method(paint)
    outpaint = method(outpaint)

    previews: bool = False
    """Whether methods give previews in place of data: pictures of 8 bits, as contact sheets show."""

    @property
    @abstractmethod
    def _maker(self) -> Maker: ...

    def iterate(self, name: str, /, *values: Any, **named: Any) -> Iterator[Levels]:
        """The pictures (H, W, C) of a task one by one, where the method of this name returns all at the end.

        Each is computed when it is asked for, those of a trained model in batches; ``paint`` with ``quantize`` computes
        all with the first.

        Arguments:
            name: of the method.
            values: its arguments.
            named: its arguments by name.

        Raises:
            ValueError: there is no such method, or an argument is out of range.
        """
        method_of = "trained" if hasattr(self, "animate") else "patches"
        known = {one.method.__name__: one.method for one in tasks().values() if one.method and method_of in one.models}
        if name not in known:
            raise ValueError(f"there is no task {name!r} here: there are {', '.join(known)}")
        model = self._for(known[name])
        results = _results(model, known[name], values, named)
        return (model._arrays(picture)[0][0] for _, picture in results.pictures)

    def _for(self, function: Callable[..., Results]) -> "FromPicture":
        """The model for a task's ``function``: results of those that only trained models do are not refined."""
        is_refined = any(task.method is function and "patches" in task.models for task in tasks().values())
        return self if is_refined else self._unrefined

    @property
    def _unrefined(self) -> "FromPicture":
        """The model whose results stay as they are made."""
        return self

    def __len__(self) -> int:
        """The number of scales."""
        return len(self._maker)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the finest scale, in pixels."""
        return self._real.shape[-2], self._real.shape[-1]

    @property
    def picture(self) -> Levels:
        """The picture at the finest scale, (H, W, C); data have their own type."""
        picture: Levels = self._arrays(self._real)[0][0]
        return picture

    @property
    def layers(self) -> Layers | None:
        """The channels of data and maps; None: pictures have 8 bits, and no maps."""
        return self._maker.layers

    @property
    def maps(self) -> MapsOfPictures:
        """The maps of the picture by name, each (H, W) or (H, W, C)."""
        return {name: values[0] for name, values in self._arrays(self._real)[1].items()}

    def _arrays(self, batch: Tensor) -> tuple[Pictures, MapsOfPictures]:
        """The pictures (count, H, W, C) in ``batch`` (count, C', H, W), and their maps."""
        layers = self._maker.layers
        if layers is None:
            return arrays.from_images(batch), {}
        if self.previews:
            return arrays.from_images(torch.cat([layers.preview(image) for image in batch.split(1)])), {}
        parts = [layers.split(image) for image in batch.split(1)]
        maps = {layer.name: np.stack([part.maps[layer.name].as_array for part in parts]) for layer in layers.maps}
        return np.stack([part.picture.values for part in parts]), maps

    @property
    def injection_scales(self) -> range:
        """The scales at which a reference or strokes can be inserted, coarse to fine."""
        return self._maker.injection_scales

    @property
    def injection_scale(self) -> int | None:
        """The scale at which they are inserted by default; None: a scale must be named."""
        return self._maker.injection_scale

    @property
    def start_scales(self) -> range:
        """The scales at which random samples can start."""
        return self._maker.start_scales

    @property
    def _real(self) -> Tensor:
        return self._maker.real


def add_methods(kind: type[FromPicture], method_of: str) -> None:
    """Give the class ``kind`` a method for each task of "trained" models or of "patches" that has none there yet."""
    for task in tasks().values():
        if task.method is not None and method_of in task.models and not hasattr(kind, task.method.__name__):
            setattr(kind, task.method.__name__, method(task.method))
