"""The published patch methods: the laws of each application, and a measure of copies."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from SIFID.copies import copied_regions
from SinGAN import manipulate
from SinGAN.patches.denoise import Balance, Denoiser, DenoiseScale, diffusion_pyramid, invert
from SinGAN.patches.neighbours import Keys, NeighbourScale, neighbour_pyramid
from SinGAN.patches.published import Published, mean_around
from SinGAN.patches.windows import Known, PatchPyramid, resized, rows
from SinGAN.pictures import images
from tests.cases import mostly_slow
from tests.patches.plain import inverted, scene, seeded

Patch = pytest.MonkeyPatch
METHODS = ("patches", "denoise")
LARCHES = Path(__file__).parents[2] / "Input" / "Images" / "larches.jpg"


@pytest.mark.parametrize("method", mostly_slow(METHODS, {"patches"}))
@pytest.mark.parametrize(
    "channels", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(4, marks=pytest.mark.slow)]
)
def test_samples_of_every_kind(method: str, channels: int) -> None:
    image = torch.cat([scene(40, 52), torch.ones(1, 1, 40, 52)], dim=1)[:, :channels]
    engine = Published(image, method)
    first, second = engine.sample(seeded(), 2)
    (again,) = engine.sample(seeded(), 1)
    (other,) = engine.sample(seeded(2), 1)
    assert first.shape == image.shape
    assert torch.equal(first, again)  # the first ones don't depend on the count
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    assert -1 <= float(first.min()) < float(first.max()) <= 1
    (wide,) = engine.sample(seeded(), 1, 0, (0.8, 1.5))
    assert wide.shape[2:] == (32, 78)
    (later,) = engine.sample(seeded(), 1, len(engine.pyramid) - 1)
    assert later.shape == image.shape
    with pytest.raises(ValueError, match="start_scale"):
        engine.sample(seeded(), 1, 99)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_no_bit(method: str) -> None:
    image, threads = scene(60, 72), torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(next(Published(image, method).sample(seeded(), 1)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_variety_and_balance_change_samples(method: str) -> None:
    image = scene()
    pairs: list[tuple[str, Any, Any]] = [("variety", "low", "high")]
    pairs += [("balance", "off", "full")] if method == "denoise" else []
    for name, one, other in pairs:
        samples = [next(Published(image, method, **{name: value}).sample(seeded(), 1)) for value in (one, other)]
        assert not torch.equal(*samples)


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_an_edit_keeps_what_is_not_marked(method: str) -> None:
    image = scene()
    reference, mask = image.clone(), torch.zeros(1, 1, 44, 56)
    reference[..., 14:28, 20:36], mask[..., 10:32, 16:40] = 0.9, 1
    result = Published(image, method).retouch(reference, mask, [1, 2], seeded(), 2)
    made = [*result.pictures]
    assert [scale for scale, _, _ in made] == [1, 1, 2, 2]
    pictures = torch.cat([picture for _, _, picture in made])
    assert pictures.shape == (4, 3, 44, 56)
    assert torch.equal(torch.where(mask > 0, image, pictures), image.expand(4, -1, -1, -1))
    assert not torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[2], pictures[3])


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_a_paint_becomes_patches_of_the_picture(method: str) -> None:
    image = scene()
    strokes = torch.zeros_like(image)
    strokes[..., :22, :] = 0.5
    engine = Published(image, method)
    (painted,) = engine.paint(strokes, 2, seeded(), 1)
    assert painted.shape == image.shape
    assert float(painted[..., :22, :].mean()) > float(painted[..., 22:, :].mean())  # its layout
    keys = Keys.of(image, 5)
    distances = (rows(painted, 5) - keys.rows[keys.nearest(rows(painted, 5))]).square().mean(dim=1)
    flat = (rows(strokes, 5) - keys.rows[keys.nearest(rows(strokes, 5))]).square().mean(dim=1)
    assert float(distances.mean()) < 0.5 * float(flat.mean())


@pytest.mark.parametrize("method", METHODS)
def test_inpainting_leaves_the_known_pixels(method: str) -> None:
    image = scene()
    hole = torch.zeros(1, 1, 44, 56)
    hole[..., 14:28, 20:36] = 1
    engine = Published(image, method)
    for picture in engine.inpaint(hole, mean_around(image, hole), seeded(), 2):
        assert float(((picture - image).abs() * (1 - hole)).max()) < 1e-5
        assert float(((picture - image).abs() * hole).max()) > 0.01
    with pytest.raises(ValueError, match="no whole patch"):
        list(engine.inpaint(torch.ones(1, 1, 44, 56), mean_around(image, hole), seeded()))


def test_the_fill_decides_what_comes_into_a_hole() -> None:
    image = torch.cat([torch.full((1, 3, 30, 80), -0.8), torch.full((1, 3, 30, 80), 0.8)], dim=2)
    image += 0.1 * torch.randn(image.shape, generator=seeded())
    hole = torch.zeros(1, 1, 60, 80)
    hole[..., 12:48, 24:60] = 1
    engine = Published(image, "patches")
    dark, light = (
        next(engine.inpaint(hole, engine.colour([level]), seeded()))[..., 12:48, 24:60].mean() for level in (20, 235)
    )
    assert dark < light
    assert engine.colour([0, 127, 255]).flatten().tolist() == pytest.approx([-1, -0.0039, 1], abs=1e-3)
    with pytest.raises(ValueError, match="3 levels of 0 to 255, as 90 140 60, not 2"):
        engine.colour([1, 2])


def test_a_hole_keeps_its_patches_out() -> None:
    known = Known(scene(20, 20), torch.zeros(1, 1, 20, 20))
    known.hole[..., 10, 10] = 1
    places = {divmod(place, 14) for place in known.places(7).tolist()}
    assert places == {(top, left) for top in range(14) for left in range(14)} - {
        (top, left) for top in range(4, 11) for left in range(4, 11)
    }


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_the_seam_of_a_tile_is_as_smooth_as_its_inside(method: str) -> None:
    (tile,) = Published(scene(), method).tile(seeded())
    for axis in (-1, -2):
        steps = (tile - tile.roll(1, axis)).abs().mean(dim=[d for d in range(4) if d != axis % 4])
        assert float(steps[0]) <= 1.5 * float(steps[1:].median())
    plain = next(Published(scene(), method).sample(seeded(), 1))
    seam = (plain - plain.roll(1, -1)).abs().mean(dim=(0, 1, 2))
    assert float(seam[0]) > 2 * float(seam[1:].median())  # what an ordinary sample would do


@pytest.mark.parametrize(
    "size",
    mostly_slow([(8, 8), (12, 12), (16, 16), (12, 60), (60, 14), (20, 20), (24, 24), (29, 29)], {(8, 8), (12, 60)}),
)
@pytest.mark.parametrize("method", METHODS)
def test_a_tile_of_a_tiny_or_narrow_picture_keeps_its_contrast(method: str, size: tuple[int, int]) -> None:
    """Patches as wide as the picture would all be the same one, shifted: their mean is grey."""
    photo = resized(images.read(LARCHES), size).clamp(-1, 1)
    for tile in Published(photo, method).tile(seeded(), 2):
        assert float(tile.std(dim=(2, 3)).mean()) > 0.4 * float(photo.std(dim=(2, 3)).mean())


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_retargeting_and_analogies_have_the_sizes_asked_for(method: str) -> None:
    image, engine = scene(), Published(scene(), method)
    assert [picture.shape[2:] for picture in engine.retarget(seeded(), 2, (1.0, 1.6))] == [(44, 90)] * 2
    assert [picture.shape[2:] for picture in engine.retarget(seeded(), 1, (0.9, 0.8))] == [(40, 45)]
    for width, words in ((0.001, "no pixel"), (0.1, "and a patch has")):
        with pytest.raises(ValueError, match=words):
            list(engine.retarget(seeded(), 1, (1.0, width)))
    for height, width in ((40, 50), (22, 50)):
        (other,) = engine.analogy(image.flip(-1)[..., :height, :width], seeded())
        assert other.shape[2:] == (height, width)
    with pytest.raises(ValueError, match="enlarge the structure"):
        next(engine.analogy(image[..., :5, :], seeded()))


def test_inversion_equals_the_plain_one_and_leads_back() -> None:
    image, noise = scene(20, 26).double(), torch.randn(1, 3, 20, 26, generator=seeded(), dtype=torch.float64)
    sigmas = torch.linspace(0.01, 0.5, 12, dtype=torch.float64).tolist()
    denoiser = Denoiser.of(image, 11, directions=363)  # all
    noised = invert(denoiser, noise, sigmas)
    torch.testing.assert_close(noised, inverted(image, noise, sigmas, 11), atol=1e-6, rtol=0)
    assert 0.4 < float((noised - 0.5 * image).std()) < 0.6  # half of it is noise
    scale = replace(
        diffusion_pyramid(image, coarsest=20, patch=11).scales[0], denoiser=denoiser, least_sigma=0.01, steps=50
    )
    back = replace(scale, layout=denoiser, balance=Balance(0))(noise, torch.zeros_like(image))
    assert float((back - image).abs().mean()) < 0.02
    anew = scale(noise, torch.zeros_like(image))
    assert float((anew - image).abs().mean()) > 0.1


def test_an_analogy_by_diffusion_keeps_the_structure_in_the_styles_colours() -> None:
    height, width = 44, 56
    disc = (torch.arange(height)[:, None] - 22).square() + (torch.arange(width) - 18).square() < 14**2
    structure = torch.where(disc, 0.8, -0.8).expand(1, 3, -1, -1) + 0.1 * scene(height, width)
    style = torch.where(disc.roll(14, 1), 0.9, -0.9) * torch.tensor([1.0, 0.2, -0.6])[None, :, None, None]
    style = style + 0.1 * scene(height, width)
    (made,) = Published(style, "denoise").analogy(structure.clamp(-1, 1), seeded())
    inside, outside = made[..., disc].mean(dim=-1), made[..., ~disc].mean(dim=-1)
    assert float((inside - outside)[0, 0]) > 0.8  # the disc lies where the structure has it ..
    assert float((inside - outside)[0, 2]) < -0.4  # .. in the style's colours


def test_retargeting_repeats_the_coarsest_level_too(monkeypatch: Patch) -> None:
    votes: list[int] = []
    vote = NeighbourScale._vote

    def counted(scale: NeighbourScale, found: Tensor, size: tuple[int, int]) -> Tensor:
        votes.append(size[0])
        return vote(scale, found, size)

    monkeypatch.setattr(NeighbourScale, "_vote", counted)
    engine = Published(scene(), "patches")
    next(engine.retarget(seeded(), 1, (1.0, 1.6)))
    assert votes.count(votes[0]) > 1
    votes.clear()
    list(engine.paint(scene(), 2, seeded()))
    assert votes.count(votes[0]) == 1


def test_tiny_pictures_work_or_say_why() -> None:
    for size in ((15, 20), (9, 30), (7, 7)):
        image = scene(24, 40)[..., : size[0], : size[1]]
        for method in METHODS:
            assert next(Published(image, method).sample(seeded(), 1)).shape == image.shape


def test_levels_are_scales_of_a_pyramid() -> None:
    for levels in (neighbour_pyramid(scene()), diffusion_pyramid(scene())):
        assert [scale.size for scale in levels.scales] == sorted(scale.size for scale in levels.scales)
        assert all(ratio == pytest.approx(levels.factor, rel=0.1) for ratio in ratios(levels))
        assert manipulate.batch_size(levels) >= 1
    assert min(diffusion_pyramid(scene(), coarsest=20).scales[0].size) == 20
    assert isinstance(diffusion_pyramid(scene()).scales[0], DenoiseScale)


def ratios(
    levels: PatchPyramid[NeighbourScale] | PatchPyramid[DenoiseScale],
) -> list[float]:
    sizes = [scale.size[1] for scale in levels.scales]
    return [small / large for small, large in itertools.pairwise(sizes)]


def test_a_shift_does_not_hide_a_copy_and_a_mirror_is_none() -> None:
    image = scene(60, 80)
    assert copied_regions(image, image).coherent == 1
    shifted = copied_regions(image.roll((9, 17), (-2, -1)), image)
    whole = (60 - 9 - 10) * (80 - 17 - 10) / (50 * 70)  # of the four parts, that of the largest
    assert shifted.largest == pytest.approx(whole, abs=0.02)
    assert shifted.coherent > shifted.largest
    mirrored = copied_regions(image.flip(-1), image)
    assert mirrored.coherent < 0.1
    noise = copied_regions(torch.rand(3, 3, 60, 80, generator=seeded()) * 2 - 1, image)
    assert noise.coherent < 0.1
    half = torch.cat([image[..., :40], torch.rand(1, 3, 60, 40, generator=seeded()) * 2 - 1], dim=-1)
    assert copied_regions(half, image).coherent == pytest.approx(35 / 70, abs=0.08)  # up to a patch's half beyond
