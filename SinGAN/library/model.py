"""A trained model as an object: its tasks as methods, on arrays as well as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, overload

import torch
from torch import Tensor

from SinGAN.library.arguments import checked
from SinGAN.library.bar import Bar
from SinGAN.library.pictures import FromPicture, MapsOfPictures, Pictures, add_methods, method
from SinGAN.options.applications import PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.patches.hybrid import Hybrid
from SinGAN.patches.makers import Maker, Refiner, Trained
from SinGAN.pictures import arrays
from SinGAN.pictures.arrays import Picture, is_data
from SinGAN.pictures.images import Levels
from SinGAN.pictures.opening import Opened, maps_by_name, open_picture
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.events import NOBODY
from SinGAN.runs.pictures import PictureTraining, Retraining
from SinGAN.runs.training import train_in_memory
from SinGAN.saved_models.folder import save_compact, save_pyramid
from SinGAN.saved_models.manifest import FILE, Manifest
from SinGAN.storage.recovery import whole_folder
from SinGAN.tasks import references
from SinGAN.tasks.animate import animate
from SinGAN.tasks.super_resolve import super_resolve
from SinGAN.tasks.task import make_generator

NamedMaps = Mapping[str, Picture] | Sequence[str | Path] | None
"""Maps by name, or files that are called like them."""


@dataclass(frozen=True, eq=False)
class Model(FromPicture):
    """A SinGAN that is trained on one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a
    ``seed`` they differ each time. A ``start_scale`` counts from 0, the coarsest: the coarser it is,
    the freer the result. ``reference``, ``mask`` and ``picture`` are files or arrays, see
    ``SinGAN.pictures.arrays``.
    """

    pyramid: Pyramid[TrainedScale]
    manifest: Manifest
    previews: bool = False
    refiner: Refiner | None = None  # of all results; see ``refined``
    hard_votes: bool = False  # of the patches of a hybrid model; see ``refined``

    super_resolve = method(super_resolve, alone=True)
    animate = method(animate)

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"<SinGAN model of {self.manifest.picture or 'a picture'}: {len(self)} scales, {height} x {width} pixels>"
        )

    @cached_property
    def _maker(self) -> Maker:
        layers = self.manifest.layers_of_pictures
        layers = None if layers is None else layers.viewed(self.pyramid.scales[-1].real)
        maker = self.manifest.kind_of_model.maker(self.pyramid, layers)
        if isinstance(maker, Trained):
            return replace(maker, retrain=self._retrain, refiner=self.refiner)
        return maker.with_hard_votes if self.hard_votes and isinstance(maker, Hybrid) else maker

    @property
    def _unrefined(self) -> "Model":
        return self if self.refiner is None else replace(self, refiner=None)

    @checked(ModelOptions, PatchOptions)
    def refined(
        self,
        photo: Picture | None = None,
        max_size: int | None = None,
        *,
        maps: NamedMaps = None,
        hard_votes: bool = False,
    ) -> "Model":
        """The same model, whose samples, edits, paints and extensions have the detail and resolution of ``photo``.

        Its maps are then those of the photo, by the votes of its patches. Animations and enlargements stay as they are,
        and so do the results of models of ``train_mode`` hybrid, which have the photo's detail anyway, but for
        ``hard_votes``.

        Arguments:
            photo: the training picture as it was before it was reduced. None: as the model has learned it.
            max_size: longer side, in pixels, to which the photo is reduced. None: its own size.
            maps: of the photo, by name, or files: the same as the model's.
            hard_votes: whether each pixel of results is a copy of one of the photo's.

        Raises:
            ValueError: the photo or its maps can't be used, or are others than the model's.
        """
        maker, named = self._unrefined._maker, maps_by_name(maps)
        if not isinstance(maker, Trained):
            return replace(self, hard_votes=hard_votes)
        opened: Levels | Opened | None = None
        if photo is None and named:
            raise ValueError("`maps` are those of `photo`: name it, too")
        if photo is not None and maker.layers is not None:
            kinds = [layer.kind for layer in maker.layers.maps]
            channels = None if is_data(photo) else maker.layers.picture.count
            opened = open_picture(photo, channels, named, kinds if len(named) == len(kinds) else (), layered=True)
        elif photo is not None:
            if named:
                raise ValueError("the model has no maps: leave `maps` out")
            opened = arrays.levels_of(photo, maker.real.shape[1], "photo", opaque=True)
        return replace(self, refiner=maker.refined_by(opened, hard_votes, max_size).refiner)

    def _retrain(self, scale: int, palette: Tensor, seed: int, progress: bool) -> Pyramid[TrainedScale]:
        """The pyramid with ``scale`` retrained in the colours of ``palette`` (K, C)."""
        options = self.manifest.model_options(ModelOptions().complete())
        asked = Retraining(self.pyramid, scale, palette)
        training = PictureTraining.of_one_scale(self.manifest, options, asked, seed=seed)
        return train_in_memory(training, Bar() if progress else NOBODY)[0]

    def reconstruct(self) -> Levels:
        """The training picture (H, W, C) as the model generates it from its reconstruction noise."""
        picture: Levels = self._unrefined._arrays(self.pyramid.generate(self.pyramid.z_rec()))[0][0]
        return picture

    @checked()
    def fine_tune(
        self, reference: Picture, iterations: int = 1000, *, seed: int | None = None, progress: bool = True
    ) -> "Model":
        """A model whose newest blocks have also learned this ``reference``: it harmonizes and edits it better.

        Only for models of ``train_mode`` concurrent (Hinz et al. 2021, Sect. 4).

        Arguments:
            reference: the whole picture that is to be inserted.
            iterations: number of iterations of the training.
            seed: of the random numbers.
            progress: show a bar.

        Raises:
            ValueError: the model is not one of concurrent training.
        """
        own = self._unrefined
        image = references.read(reference, own._real, "reference", layers=own._maker.layers)
        options = ModelOptions().complete()
        config = replace(self.manifest.model_options(options).training, niter=iterations)
        rng = make_generator(self._maker, seed)
        ((_, pyramid),) = references.fine_tune(self.pyramid, image, config, rng, iterations, progress=progress)
        return replace(self, pyramid=pyramid)

    @overload
    def refine(self, pictures: Picture | Sequence[Picture], photo: Picture | None = None) -> Pictures: ...

    @overload
    def refine(
        self, pictures: Picture | Sequence[Picture], photo: Picture | None = None, *, maps: Literal[True]
    ) -> tuple[Pictures, MapsOfPictures]: ...

    def refine(
        self, pictures: Picture | Sequence[Picture], photo: Picture | None = None, *, maps: bool = False
    ) -> Pictures | tuple[Pictures, MapsOfPictures]:
        """``pictures`` of the model's, with the training picture's own detail: (count, H, W, C).

        Arguments:
            pictures: samples, edits or paints, (count, H, W, C) or a list; or a single one, (H, W, C) or a file.
            photo: the training picture as it was before it was reduced: results have its resolution. With data or maps
                it is that of ``refined`` instead: ``model.refined(photo, maps=..).refine(pictures)``.
            maps: whether the maps of the results are returned, too, by name, as the methods with ``maps=True`` do.

        Raises:
            ValueError: there is no picture, or one can't be used; or results of the model, of ``train_mode`` hybrid
                with data or maps, have the photo's detail anyway.
        """
        if not isinstance(maps, bool):
            raise ValueError(f"`maps` is {maps!r:.80}: use True or False")
        several, layers = arrays.several(pictures, "pictures"), self._unrefined._maker.layers
        if maps and not (layers and layers.maps):
            raise ValueError("`maps` are asked for, but the picture has none: name them when you train")
        if layers is None:
            channels = self._real.shape[1]
            refiner = Refiner(self._real, None if photo is None else arrays.levels_of(photo, channels, "photo"))
            images = [arrays.to_image(one, channels, "pictures") for one in several]
            return arrays.from_images(torch.cat([refiner(image) for image in images]))
        if photo is not None:
            raise ValueError("`photo` is for pictures of 8 bits without maps: use `refined`, with its maps, first")
        model = self if self.refiner is not None else self.refined()
        if model.refiner is None:
            raise ValueError("results of this model have the photo's detail already: leave `refine` out")
        images = [layers.read_picture(one, "pictures") for one in several]
        refined, of_maps = model._arrays(torch.cat([model.refiner(image) for image in images]))
        return (refined, of_maps) if maps else refined

    @checked()
    def save(self, folder: str | Path, *, overwrite: bool = False, compact: bool = False) -> None:
        """Write the model as ``folder``, in the layout of ``main_train.py``; ``SinGAN.load`` reads it.

        Arguments:
            folder: of the model.
            overwrite: replace an existing model.
            compact: leave out the parts that only training needs. The folder is then a third as large or less; the
                model generates the same pictures, up to rounding, and can't be trained further.

        Raises:
            FileExistsError: the folder is not empty, and ``overwrite`` is not set or it does not contain a model.
            ValueError: it is the current folder, or one above it, which can't be replaced.
        """
        place = check_place(Path(folder), overwrite)
        with whole_folder(place) as draft:
            self.manifest.write(draft)
            if compact:
                save_compact(self.pyramid, draft, self.manifest.kind_of_model, self.manifest.seed)
            else:
                save_pyramid(self.pyramid, draft, extras=self.manifest.kind_of_model.extras(self.pyramid))


def check_place(folder: Path, overwrite: bool) -> Path:
    """The absolute path of ``folder``; raises an error if no model can be saved there."""
    place = folder.resolve()
    if Path.cwd().is_relative_to(place):
        raise ValueError(f"`folder` {folder} is the current folder, or one above it: name one in it, as model")
    if place.is_dir() and not any(place.iterdir()):
        return place
    if place.exists() and not overwrite:
        raise FileExistsError(f"{folder} is not empty: name another folder, or set `overwrite`")
    if place.exists() and not any((place / name).is_file() for name in (FILE, "Gs.pth")):
        raise FileExistsError(f"{folder} holds no model, and `overwrite` replaces only models: name another folder")
    return place


add_methods(Model, "trained")
