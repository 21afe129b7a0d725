"""What a trained model and patches share in Python: properties, and a method for each of their tasks."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import torch
from torch import Tensor

from SinGAN.library.arguments import check_arguments
from SinGAN.options.model import ModelOptions
from SinGAN.patches.makers import Maker
from SinGAN.pictures import arrays
from SinGAN.pictures.images import Levels
from SinGAN.tasks import tasks
from SinGAN.tasks.edit import edit
from SinGAN.tasks.harmonize import harmonize
from SinGAN.tasks.outpaint import outpaint
from SinGAN.tasks.paint import paint
from SinGAN.tasks.sample import sample
from SinGAN.tasks.task import Results

Pictures = Levels  # (count, H, W, C)
Arguments = ParamSpec("Arguments")


def method(
    function: Callable[Concatenate[Any, Arguments], Results],
) -> Callable[Concatenate["FromPicture", Arguments], Pictures]:
    """The method of a library object that calls a task's ``function``, and returns its pictures as one array."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(self: "FromPicture", /, *values: Arguments.args, **named: Arguments.kwargs) -> Pictures:
        given = signature.bind(self._maker, *values, **named)
        declared = [task.options for task in tasks().values() if task.method is function and task.options]
        check_arguments(signature, [ModelOptions, *declared], given.arguments)
        results = function(*given.args, **given.kwargs)
        return arrays.from_images(torch.cat([picture for _, picture in results.pictures]))

    return call


def first(
    function: Callable[Concatenate["FromPicture", Arguments], Pictures],
) -> Callable[Concatenate["FromPicture", Arguments], Levels]:
    """The method ``function`` that returns the first of its pictures alone, (H, W, C)."""

    @functools.wraps(function)
    def call(self: "FromPicture", /, *values: Arguments.args, **named: Arguments.kwargs) -> Levels:
        pictures: Levels = function(self, *values, **named)[0]
        return pictures

    return call


class FromPicture(ABC):
    """Something that makes pictures like one picture."""

    sample = method(sample)
    harmonize = method(harmonize)
    edit = method(edit)
    paint = method(paint)
    outpaint = method(outpaint)

    @property
    @abstractmethod
    def _maker(self) -> Maker: ...

    def __len__(self) -> int:
        """The number of scales."""
        return len(self._maker)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the finest scale, in pixels."""
        return self._real.shape[-2], self._real.shape[-1]

    @property
    def picture(self) -> Levels:
        """The picture at the finest scale, (H, W, C)."""
        return arrays.from_image(self._real)

    @property
    def injection_scales(self) -> range:
        """The scales at which a reference or strokes can be put in, coarse to fine."""
        return self._maker.injection_scales

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
