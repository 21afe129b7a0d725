"""Pictures without training, from Python: the tasks of a model, and more, for one photo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from SinGAN.engines.engine import choose_device
from SinGAN.library.arguments import checked
from SinGAN.library.pictures import FromPicture, add_methods, method
from SinGAN.options.applications import INSTANT, PatchOptions
from SinGAN.options.model import ModelOptions
from SinGAN.patches.instant import Instant
from SinGAN.patches.makers import Patches
from SinGAN.patches.published import Published
from SinGAN.pictures.arrays import Picture, is_data
from SinGAN.pictures.images import Levels
from SinGAN.pictures.layer import check_kinds
from SinGAN.pictures.opening import maps_by_name, open_beside, open_picture
from SinGAN.runs.source import open_engine
from SinGAN.tasks.analogy import analogy
from SinGAN.tasks.inpaint import inpaint
from SinGAN.tasks.retarget import retarget
from SinGAN.tasks.tile import tile


@checked(PatchOptions, ModelOptions)
def instant(
    picture: Picture,
    method: str = INSTANT,
    *,
    variety: str = "medium",
    balance: str = "full",
    max_size: int | None = None,
    nc_im: int = 3,
    maps: Mapping[str, Picture] | Sequence[str | Path] | None = None,
    map_kinds: Sequence[str] = (),
    also: Sequence[Picture] = (),
    also_maps: Sequence[Mapping[str, Picture]] | None = None,
    shares: Sequence[float] = (),
    hard_votes: bool = False,
    coordinates: str | None = None,
    device: str | torch.device | None = None,
) -> "InstantModel":
    """Open ``picture`` for pictures without training, in seconds and at its own size.

    Arguments:
        picture: a file or an array, as for ``train``.
        method: "instant"; or, for research and comparison, the published methods "patches" (nearest neighbours) and
            "denoise" (patch diffusion).
        variety: "low", "medium" or "high": how far samples are from the picture.
        balance: "off", "light" or "full": with "denoise", how evenly all parts of the picture are used.
        max_size: longer side, in pixels, to which the picture is reduced. None: its own size; 250 by the published
            methods.
        nc_im: channels: 1 (grey), 3 (RGB) or 4 (RGBA); data have their own.
        maps: of the picture's size, by name, or files: labels or amounts that methods give with ``maps=True``.
        map_kinds: of each map, or one of all: "label", "continuous" or "normal". (): guessed from their types.
        also: more pictures whose patches are used, of the same scale and kind.
        also_maps: their maps. None: files beside them, as ``dog_labels.png`` of ``dog.png``.
        shares: the share of each picture in the results, starting with the first one. (): unconstrained.
        hard_votes: whether each pixel of results is a copy of one of the picture's, so that what is a function of the
            colours before is the same function after.
        coordinates: "uint16" or "float32": results have one more map, "coordinates", of the places where their pixels
            come from, see ``docs/maps.md``.
        device: "cpu", "cuda" or ``cuda:<n>``; the instant engine uses it for the layouts of samples only. None: CUDA
            where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the picture or an option can't be used; the message names it and the remedy.
    """
    lists: dict[str, Any] = {"also": also, "also_maps": also_maps or (), "shares": shares}
    for name, value in lists.items():
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"`{name}` must be a list, one for each picture, not {value!r:.80}")
    if also_maps and not also:
        raise ValueError("`also_maps` needs `also`: name the pictures there")
    check_kinds(map_kinds)
    only_instant = {"also": also, "shares": shares, "hard_votes": hard_votes, "coordinates": coordinates}
    for name, value in only_instant.items() if method != INSTANT else ():
        if value:
            raise ValueError(f"`{name}` is for `method` {INSTANT}, not for {method}: leave it out")
    if shares and not also:
        raise ValueError(f"`shares` {shares} is for several pictures: name more of them with `also`")
    chosen, default = choose_device(device), None if method == INSTANT else ModelOptions().complete().max_size
    limit, opened, others = default if max_size is None else max_size, None, None
    if maps or is_data(picture) or also or coordinates:
        opened = open_picture(picture, None if is_data(picture) else nc_im, maps_by_name(maps), map_kinds, layered=True)
        others = open_beside(opened, also, also_maps) if also else None
    options = PatchOptions(
        method=method, variety=variety, balance=balance, shares=tuple(shares), hard_votes=hard_votes,
        coordinates=coordinates,
    )  # fmt: skip
    engine = open_engine(picture, opened, options, chosen, nc_im=nc_im, limit=limit, others=others)
    if not isinstance(engine, Instant) and engine.layers is not None:
        engine = replace(engine, layers=engine.layers.viewed(engine.real))
    return InstantModel(engine)


@dataclass(frozen=True, eq=False)
class InstantModel(FromPicture):
    """Pictures from the patches of one picture.

    Methods give 8-bit pictures, (count, H, W, C); equal ``seed``s give equal ones, and without a ``seed`` they differ
    each time. A ``start_scale`` counts from 0, the coarsest. ``reference``, ``mask``, ``strokes`` and ``structure`` are
    files or arrays, see ``SinGAN.pictures.arrays``.
    """

    engine: Patches
    previews: bool = False

    retarget = method(retarget)
    inpaint = method(inpaint)
    analogy = method(analogy)
    tile = method(tile)

    def __repr__(self) -> str:
        height, width = self.size
        return f"<SinGAN.instant by {self.method}: {len(self)} scales, {height} x {width} pixels>"

    @property
    def method(self) -> str:
        """The method that computes pictures: "instant", "patches" or "denoise"."""
        return self.engine.method if isinstance(self.engine, Published) else INSTANT

    @property
    def _maker(self) -> Patches:
        return self.engine

    @checked()
    def watched(self, watch: Callable[[Levels], None]) -> "InstantModel":
        """The same model; ``watch`` is called with each level's picture (h, w, C), coarse to fine, as it is computed.

        Samples begin with layouts at the coarsest level, of which one is chosen.

        Raises:
            ValueError: the method is not "instant".
        """
        if isinstance(self.engine, Published):
            raise ValueError(f"only `method` {INSTANT} shows its levels, not {self.method}")
        return replace(self, engine=self.engine.watched(watch))


add_methods(InstantModel, "patches")
