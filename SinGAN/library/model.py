"""A trained model as an object: every application as a method, on arrays as well as files."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from SinGAN import manipulate
from SinGAN.concurrent.tuning import fine_tune
from SinGAN.functions import palette_of
from SinGAN.library.bar import Bar
from SinGAN.library.pictures import FromPicture, Pictures
from SinGAN.options.applications import BACK_PROJECTION
from SinGAN.options.model import ModelOptions
from SinGAN.patches.makers import Refiner, Trained
from SinGAN.pictures import arrays
from SinGAN.pictures.arrays import Picture
from SinGAN.pictures.images import Levels
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.events import NOBODY
from SinGAN.runs.pictures import PictureTraining, Retraining
from SinGAN.runs.training import train_in_memory
from SinGAN.saved_models.folder import save_compact, save_pyramid
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage.recovery import whole_folder


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

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"<SinGAN model of {self.manifest.picture or 'a picture'}: {len(self)} scales, {height} x {width} pixels>"
        )

    @property
    def _maker(self) -> Trained:
        return Trained(self.pyramid)

    def reconstruct(self) -> Levels:
        """The training picture (H, W, C) as the model makes it from its own noise."""
        return arrays.from_image(self.pyramid.generate(self.pyramid.z_rec()))

    def paint(
        self,
        strokes: Picture,
        *,
        start_scale: int,
        count: int = 1,
        quantize: bool = False,
        seed: int | None = None,
        progress: bool = True,
    ) -> Pictures:
        """A paint, a few strokes of flat colour, turned into pictures like the training picture (paper, Sect. 4).

        Arguments:
            strokes: the paint.
            start_scale: where it is put in, 1 to the finest.
            count: how many.
            quantize: reduce it to the picture's five main colours, and train that scale anew on such
                images, which takes as long as that scale of the model took.
            seed: of the random numbers, and of that training.
            progress: show a bar for it.

        Raises:
            ValueError: the scale is out of range.
        """
        (scale,) = manipulate.injection_scales(self.pyramid, [start_scale])
        image, rng = arrays.to_image_like(strokes, self._real, name="strokes"), self._rng(seed)
        if not quantize:
            return arrays.from_images(manipulate.inject(self.pyramid, image, scale, rng, count))
        palette = palette_of(self.pyramid.scales[scale].real)
        put_in = manipulate.quantised_paint(self.pyramid, image, scale, palette)
        options = self.manifest.model_options(ModelOptions().completed())
        asked = Retraining(self.pyramid, scale, palette)
        training = PictureTraining.of_one_scale(self.manifest, options, asked, seed=rng.initial_seed())
        retrained, _ = train_in_memory(training, Bar() if progress else NOBODY)
        return arrays.from_images(manipulate.run_from(retrained, put_in, scale, rng, count))

    def super_resolve(
        self,
        picture: Picture | None = None,
        *,
        factor: float = 4.0,
        count: int = 1,
        back_projection: int = BACK_PROJECTION,
        seed: int | None = None,
    ) -> Levels:
        """``picture``, or the training picture, enlarged to (int(factor * H), int(factor * W), C) (paper, Sect. 4).

        A model that was trained for it, ``SinGAN.train(picture, task="SR", sr_factor=factor)``, does it best.

        Arguments:
            picture: to be enlarged.
            factor: by how much.
            count: of results whose mean is taken.
            back_projection: rounds that bring the result, reduced, near to the picture; 0: none, as the authors do.
            seed: of the random numbers.

        Raises:
            ValueError: ``factor`` is not above 1, ``count`` is below 1, or ``back_projection`` below 0.
        """
        if not factor > 1:
            raise ValueError(f"`factor` must be above 1, not {factor:g}")
        if count < 1 or back_projection < 0:
            raise ValueError(f"`count` {count} must be at least 1, `back_projection` {back_projection} at least 0")
        channels = self._real.shape[1]
        image = self._real if picture is None else arrays.to_image(picture, channels, opaque=True).to(self._real.device)
        rng = self._rng(seed)
        return arrays.from_image(manipulate.super_resolve(self.pyramid, image, factor, rng, count, back_projection))

    def animate(
        self,
        frames: int = 100,
        *,
        start_scale: int = 0,
        alpha: float = 0.1,
        beta: float = 0.9,
        seed: int | None = None,
    ) -> Pictures:
        """Frames of a random walk through the noise about the training picture (paper, supplementary).

        A model that was trained for it, ``SinGAN.train(picture, task="animation")``, also moves at its borders.

        Arguments:
            frames: how many.
            start_scale: the first scale that moves.
            alpha: pull to the training picture, 0 to 1.
            beta: smoothness, 0 to 1.
            seed: of the random numbers.

        Raises:
            ValueError: the model lacks ``start_scale``, or its randomness is not noise.
        """
        manipulate.check_walk(self.pyramid.scales[0].generator.config)
        walk = manipulate.animate(self.pyramid, self._rng(seed), frames, start_scale, alpha, beta)
        return arrays.from_images(torch.cat(list(walk)))

    def fine_tune(
        self, reference: Picture, iterations: int = 1000, *, seed: int | None = None, progress: bool = True
    ) -> "Model":
        """A model whose newest blocks have learned this ``reference``, too: it harmonizes and edits it better.

        Only for models of ``train_mode`` concurrent (Hinz et al. 2021, Sect. 4).

        Arguments:
            reference: the picture that is to be put in, whole.
            iterations: of the training.
            seed: of the random numbers.
            progress: show a bar.

        Raises:
            ValueError: the model is none of concurrent training.
        """
        image, found = arrays.to_image_like(reference, self._real, name="reference"), list[Pyramid[TrainedScale]]()
        config = replace(self.manifest.model_options(ModelOptions().completed()).training, niter=iterations)
        with tqdm(total=iterations, unit="iteration", disable=not progress, leave=False) as bar:
            fine_tune(
                self.pyramid, image, config, self._rng(seed), every=iterations,
                tuned=lambda _, pyramid: found.append(pyramid), tick=bar.update,
            )  # fmt: skip
        return replace(self, pyramid=found[-1])

    def refine(self, pictures: Pictures, photo: Picture | None = None) -> Pictures:
        """``pictures`` (count, H, W, C) of the model's, with the training picture's own detail.

        Arguments:
            pictures: samples, edits or paints.
            photo: the training picture as it was before it was reduced: results have its resolution.
        """
        channels = self._real.shape[1]
        refiner = Refiner(self._real, None if photo is None else arrays.levels_of(photo, channels, "photo"))
        tensors = (arrays.to_image(picture, channels) for picture in pictures)
        return arrays.from_images(torch.cat([refiner(image) for image in tensors]))

    def save(self, folder: str | Path, *, overwrite: bool = False, compact: bool = False) -> None:
        """Write the model as ``folder``, as ``main_train.py`` keeps models; ``SinGAN.load`` reads it.

        Arguments:
            folder: of the model.
            overwrite: replace what is there.
            compact: leave out what only training needs. The folder is then a third as large or less; its model makes
                the same pictures, but for rounding, and can't be trained further.

        Raises:
            FileExistsError: the folder holds something, and ``overwrite`` is not set.
        """
        place = Path(folder)
        if not overwrite and place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise FileExistsError(f"{place} is not empty: name another folder, or set `overwrite`")
        with whole_folder(place) as draft:
            self.manifest.write(draft)
            if compact:
                save_compact(self.pyramid, draft, self.manifest.kind_of_model, self.manifest.seed)
            else:
                save_pyramid(self.pyramid, draft, extras=self.manifest.kind_of_model.extras(self.pyramid))
