"""Patches: folding and search, both algorithms against plain ones, the laws of each application."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from SIFID.copies import copied_regions
from SinGAN import manipulate
from SinGAN.imresize import imresize_to
from SinGAN.patches import denoise, neighbours, pyramids
from SinGAN.patches.balance import BALANCES, Balance, balanced_weights
from SinGAN.patches.denoise import Denoiser, DenoiseScale
from SinGAN.patches.engine import Instant
from SinGAN.patches.lists import Lists
from SinGAN.patches.makers import Refiner
from SinGAN.patches.neighbours import Keys, NeighbourScale
from SinGAN.patches.windows import Known, fold, nearest, rows, rows_at, wrapped
from tests.conftest import stripes
from tests.patches.plain import diffused, nearest_neighbours

Patch = pytest.MonkeyPatch
METHODS = ("patches", "denoise")


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(height: int = 44, width: int = 56) -> Tensor:
    """A picture (1, 3, height, width) in [-1, 1] with structure at all scales: a faint gradient, and blots."""
    sizes = [(max(2, height // part), max(2, width // part)) for part in (3, 6, 12)]
    blots = [imresize_to(torch.rand(1, 3, *size, generator=seeded(5)) * 2 - 1, (height, width)) for size in sizes]
    return (0.3 * stripes(height, width) + 0.4 * sum(blots)).clamp(-1, 1)


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize(("p", "sigma"), [(7, 1.7), (15, 0.2), (3, 1.0), (1, 1.0)])
def test_the_fold_of_an_images_patches_is_the_image(p: int, sigma: float, wraps: bool) -> None:
    image = torch.rand(1, 3, 24, 32, dtype=torch.float64, generator=seeded())
    patches = rows(wrapped(image, p) if wraps else image, p)
    torch.testing.assert_close(fold(patches, (24, 32), p, sigma, wraps), image, atol=1e-12, rtol=0)


def test_patches_lie_where_they_are_said_to() -> None:
    image = torch.rand(1, 3, 20, 24, generator=seeded())
    places = torch.tensor([0, 5, 18, 251])
    assert torch.equal(rows_at(image, 7, places), rows(image, 7)[places])
    assert torch.equal(rows(image, 7)[19].reshape(3, 7, 7), image[0, :, 1:8, 1:8])


def test_the_nearest_is_that_of_cdist() -> None:
    queries, keys = (torch.rand(count, 40, dtype=torch.float64, generator=seeded(count)) for count in (300, 500))
    found = nearest(queries, keys, keys.square().sum(dim=1))
    assert torch.equal(found, torch.cdist(queries, keys).argmin(dim=1))
    factors = torch.rand(500, dtype=torch.float64, generator=seeded()) + 0.1
    weighted = nearest(queries, keys, keys.square().sum(dim=1), factors)
    assert torch.equal(weighted, (torch.cdist(queries, keys).square() * factors).argmin(dim=1))


def test_lists_hold_every_key_once_and_all_probed_find_the_nearest(monkeypatch: Patch) -> None:
    image = scene(40, 50)
    plain = Keys.of(image, 7)
    monkeypatch.setitem(neighbours.LISTS_FROM, "cpu", 10)
    monkeypatch.setattr(neighbours, "PROBES", 10**6)
    listed = Keys.of(image, 7)
    assert listed.lists is not None
    assert torch.equal(listed.lists.members.sort().values, torch.arange(34 * 44))
    queries = rows(image + 0.1 * torch.randn(image.shape, generator=seeded()), 7)
    ours, all_of_them = (keys.places[keys.nearest(queries)] for keys in (listed, plain))
    assert float((ours == all_of_them).float().mean()) > 0.999  # rounding decides between equals
    torch.testing.assert_close(
        listed.least_distances(queries)[listed.places.argsort()], plain.least_distances(queries), atol=1e-3, rtol=1e-4
    )
    monkeypatch.setattr(neighbours, "PROBES", 6)
    few = listed.places[listed.nearest(queries)]
    assert float((few == all_of_them).float().mean()) > 0.8


def test_the_lists_of_few_and_of_equal_keys() -> None:
    for keys in (torch.ones(1, 4), torch.ones(50, 4), torch.rand(3, 4, generator=seeded())):
        lists = Lists.of(keys)
        assert sorted(lists.members.tolist()) == list(range(len(keys)))
        asked = [(asking, part) for asking, part in lists.probes(keys, 3)]
        assert {int(one) for asking, _ in asked for one in asking} <= set(range(len(keys)))
        found = Keys(keys[lists.members], keys[lists.members].square().sum(dim=1), lists.members, lists)
        assert torch.equal(keys[found.places[found.nearest(keys)]], keys)


def test_neighbours_are_those_of_the_plain_algorithm(monkeypatch: Patch) -> None:
    monkeypatch.setattr(neighbours, "MOVED", -1.0)  # each patch is looked up in each repetition
    image = scene(24, 32).double()
    levels = pyramids.neighbours(image, coarsest=14)
    noise = levels.draw(seeded())[0]
    ours = levels.generate([noise.double(), *(torch.zeros_like(scale.real) for scale in levels.scales[1:])])
    theirs = nearest_neighbours([scale.real for scale in levels.scales], noise.double(), 0.75, 10)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


def test_the_incremental_search_is_the_full_one(monkeypatch: Patch) -> None:
    image = scene(48, 64)
    levels = pyramids.neighbours(image)
    noise = levels.draw(seeded())
    incremental = levels.generate(noise)
    monkeypatch.setattr(neighbours, "MOVED", -1.0)
    assert float((incremental - levels.generate(noise)).abs().mean()) < 0.1 / 127.5


def test_neighbours_without_noise_give_the_picture_back() -> None:
    image = scene()
    levels = pyramids.neighbours(image, sigma=0.0)
    assert float((levels.generate(levels.z_rec()) - image).abs().mean()) < 0.5 / 127.5


@pytest.mark.parametrize("rounds", [pytest.param(0, marks=pytest.mark.slow), 20])
def test_diffusion_is_that_of_the_plain_algorithm(rounds: int) -> None:
    """In all directions, and but for what a patch's outer pixels weigh: 2 % and less of its centre."""
    image = scene(24, 32).double()
    levels = pyramids.denoising(image, coarsest=18, balance=Balance(rounds))
    reals = [scale.real for scale in levels.scales]
    exact = replace(
        levels,
        scales=tuple(replace(scale, denoiser=Denoiser.of(scale.real, 15, directions=675)) for scale in levels.scales),
    )
    noise = [z.double() for z in levels.draw(seeded())]
    theirs = diffused(reals, noise, levels.factor, rounds=rounds)
    ours = exact.generate(noise)
    assert float((ours - theirs).abs().mean()) < 0.03
    assert float((levels.generate(noise) - theirs).abs().mean()) < 0.08


def test_the_denoiser_of_one_patch_returns_it() -> None:
    image = scene(15, 15).double()
    noisy = 0.4 * image + 0.6 * torch.randn(image.shape, dtype=torch.float64, generator=seeded())
    clean = Denoiser.of(image, 15).clean(noisy, 0.4, 0.6, False, Balance(0))
    torch.testing.assert_close(clean, image)


@pytest.mark.parametrize("wraps", [False, True])
def test_almost_without_noise_the_denoiser_returns_the_picture(wraps: bool) -> None:
    image = scene(40, 48)
    clean = Denoiser.of(image).clean(image, 1 - 1e-4, 1e-4, wraps, Balance(0))
    inside = clean if not wraps else clean[..., 14:26, 14:34]  # where no patch reaches over the edge
    assert float((inside - (image if not wraps else image[..., 14:26, 14:34])).abs().max()) < 1e-4


def test_the_softmax_over_all_lists_is_the_plain_one(monkeypatch: Patch) -> None:
    image = scene(40, 50)
    noisy = 0.5 * image + 0.5 * torch.randn(image.shape, generator=seeded())
    plain = Denoiser.of(image).clean(noisy, 0.5, 0.5, False, Balance(0))
    monkeypatch.setitem(denoise.LISTS_FROM, "cpu", 10)
    monkeypatch.setattr(denoise, "PROBES", 10**6)
    listed = Denoiser.of(image)
    assert listed.lists is not None
    torch.testing.assert_close(listed.clean(noisy, 0.5, 0.5, False, Balance(0)), plain, atol=1e-4, rtol=1e-4)


def test_balanced_weights_use_every_patch_equally_often() -> None:
    scores = torch.randn(300, 200, dtype=torch.float64, generator=seeded()) * 3
    scores[:, :20] += 8  # what the plain softmax would use alone
    plain = scores.softmax(dim=1).sum(dim=0) * 200 / 300
    used = {name: balanced_weights(scores, balance).sum(dim=0) * 200 / 300 for name, balance in BALANCES.items()}
    torch.testing.assert_close(used["off"], plain)
    spread = {name: float(shares.std()) for name, shares in used.items()}
    assert spread["full"] < 0.05 < spread["light"] < spread["off"]
    assert torch.allclose(balanced_weights(scores, BALANCES["full"]).sum(dim=1), torch.ones(300, dtype=torch.float64))


def test_balancing_is_that_of_plain_logarithms_where_numbers_run_out() -> None:
    scores = (torch.randn(60, 50, generator=seeded()) * 400).float()
    bias = torch.zeros(50, dtype=torch.float64)
    for _ in range(20):
        used = (scores.double() + bias).log_softmax(dim=1).logsumexp(dim=0)
        bias = bias + math.log(60 / 50) - used
    expected = (scores.double() + bias).softmax(dim=1)
    assert float((balanced_weights(scores, Balance(20)) - expected).abs().mean()) < 1e-3


def test_a_small_alpha_uses_every_patch() -> None:
    """Of a picture with a rare part: on an output of twice the size each patch is the nearest to some query."""
    image = scene(24, 24)
    image[..., 8:16, 8:16] = 1.0
    keys = Keys.of((image + 1) / 2, 7)
    queries = rows((scene(72, 72) + 1) / 2, 7)
    unused = []
    for alpha in (math.inf, 1e-6):
        least = keys.least_distances(queries)
        factors = None if math.isinf(alpha) else 1 / (alpha * queries.shape[1] + least)
        unused.append(len(keys.rows) - len(keys.nearest(queries, factors).unique()))
    assert unused[1] < 0.5 * unused[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "channels", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(4, marks=pytest.mark.slow)]
)
def test_samples_of_every_kind(method: str, channels: int) -> None:
    image = torch.cat([scene(40, 52), torch.ones(1, 1, 40, 52)], dim=1)[:, :channels]
    engine = Instant(image, method)
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


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_no_bit(method: str) -> None:
    image, threads = scene(60, 72), torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(next(Instant(image, method).sample(seeded(), 1)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_variety_and_balance_change_samples(method: str) -> None:
    image = scene()
    pairs = [("variety", "low", "high"), *([("balance", "off", "full")] if method == "denoise" else [])]
    for name, one, other in pairs:
        samples = [next(Instant(image, method, **{name: value}).sample(seeded(), 1)) for value in (one, other)]
        assert not torch.equal(*samples)


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_an_edit_keeps_what_is_not_marked(method: str) -> None:
    image = scene()
    reference, mask = image.clone(), torch.zeros(1, 1, 44, 56)
    reference[..., 14:28, 20:36], mask[..., 10:32, 16:40] = 0.9, 1
    result = Instant(image, method).retouch(reference, mask, [1, 2], seeded(), 2)
    assert set(result.blended) == {1, 2}
    for pictures in result.blended.values():
        assert pictures.shape == (2, 3, 44, 56)
        assert torch.equal(torch.where(mask > 0, image, pictures), image.expand(2, -1, -1, -1))
        assert not torch.equal(pictures[0], pictures[1])


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_a_paint_becomes_patches_of_the_picture(method: str) -> None:
    image = scene()
    strokes = torch.zeros_like(image)
    strokes[..., :22, :] = 0.5
    engine = Instant(image, method)
    painted = engine.paint(strokes, 2, seeded(), 1)
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
    engine = Instant(image, method)
    for picture in engine.inpaint(hole, engine.ring(hole), seeded(), 2):
        assert float(((picture - image).abs() * (1 - hole)).max()) < 1e-5
        assert float(((picture - image).abs() * hole).max()) > 0.01
    with pytest.raises(ValueError, match="no whole patch"):
        list(engine.inpaint(torch.ones(1, 1, 44, 56), engine.ring(hole), seeded()))


def test_the_fill_decides_what_comes_into_a_hole() -> None:
    image = torch.cat([torch.full((1, 3, 30, 80), -0.8), torch.full((1, 3, 30, 80), 0.8)], dim=2)
    image += 0.1 * torch.randn(image.shape, generator=seeded())
    hole = torch.zeros(1, 1, 60, 80)
    hole[..., 12:48, 24:60] = 1
    engine = Instant(image, "patches")
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
    (tile,) = Instant(scene(), method).tile(seeded())
    for axis in (-1, -2):
        steps = (tile - tile.roll(1, axis)).abs().mean(dim=[d for d in range(4) if d != axis % 4])
        assert float(steps[0]) <= 1.5 * float(steps[1:].median())
    plain = next(Instant(scene(), method).sample(seeded(), 1))
    seam = (plain - plain.roll(1, -1)).abs().mean(dim=(0, 1, 2))
    assert float(seam[0]) > 2 * float(seam[1:].median())  # what an ordinary sample would do


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_retargeting_and_analogies_have_the_sizes_asked_for(method: str) -> None:
    image, engine = scene(), Instant(scene(), method)
    assert [picture.shape[2:] for picture in engine.retarget(seeded(), 2, (1.0, 1.6))] == [(44, 90)] * 2
    assert [picture.shape[2:] for picture in engine.retarget(seeded(), 1, (0.9, 0.8))] == [(40, 45)]
    for width, words in ((0.001, "no pixel"), (0.1, "and a patch has")):
        with pytest.raises(ValueError, match=words):
            list(engine.retarget(seeded(), 1, (1.0, width)))
    (other,) = engine.analogy(image.flip(-1)[..., :40, :50], seeded())
    assert other.shape[2:] == (40, 50)


def test_retargeting_repeats_the_coarsest_level_too(monkeypatch: Patch) -> None:
    votes: list[int] = []
    vote = NeighbourScale._vote

    def counted(scale: NeighbourScale, found: Tensor, size: tuple[int, int]) -> Tensor:
        votes.append(size[0])
        return vote(scale, found, size)

    monkeypatch.setattr(NeighbourScale, "_vote", counted)
    engine = Instant(scene(), "patches")
    next(engine.retarget(seeded(), 1, (1.0, 1.6)))
    assert votes.count(votes[0]) > 1
    votes.clear()
    engine.paint(scene(), 2, seeded())
    assert votes.count(votes[0]) == 1


def test_refining_keeps_the_layout_and_takes_the_pictures_detail() -> None:
    image = scene()
    blurred = imresize_to(imresize_to(image, (22, 28)), (44, 56))
    refined = Refiner(image)(torch.cat([blurred, blurred.flip(-1)]))
    assert refined.shape == (2, 3, 44, 56)
    assert float((refined[:1] - image).abs().mean()) < 0.7 * float((blurred - image).abs().mean())
    assert Refiner(image)(blurred[..., :40, :]).shape[2:] == (40, 56)


def test_tiny_pictures_work_or_say_why() -> None:
    for size in ((15, 20), (9, 30), (7, 7)):
        image = scene(24, 40)[..., : size[0], : size[1]]
        for method in METHODS:
            assert next(Instant(image, method).sample(seeded(), 1)).shape == image.shape


def test_levels_are_scales_of_a_pyramid() -> None:
    for levels in (pyramids.neighbours(scene()), pyramids.denoising(scene())):
        assert [scale.size for scale in levels.scales] == sorted(scale.size for scale in levels.scales)
        assert all(ratio == pytest.approx(levels.factor, rel=0.1) for ratio in ratios(levels))
        assert manipulate.batch_size(levels) >= 1
    assert min(pyramids.denoising(scene(), coarsest=20).scales[0].size) == 20
    assert isinstance(pyramids.denoising(scene()).scales[0], DenoiseScale)


def ratios(
    levels: pyramids.PatchPyramid[neighbours.NeighbourScale] | pyramids.PatchPyramid[DenoiseScale],
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
