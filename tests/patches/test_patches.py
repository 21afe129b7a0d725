"""Patches: folding and search, both algorithms against plain ones, balancing."""

import math
from dataclasses import replace

import pytest
import torch

from SinGAN.patches import denoise, neighbours
from SinGAN.patches.denoise import BALANCES, Balance, Denoiser, balance_weights, diffusion_pyramid
from SinGAN.patches.neighbours import Keys, Lists, nearest, neighbour_pyramid
from SinGAN.patches.windows import fold, resized, rows, rows_at, wrap
from tests.patches.plain import diffused, nearest_neighbours, scene, seeded

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize(("p", "sigma"), [(7, 1.7), (15, 0.2), (3, 1.0), (1, 1.0)])
def test_the_fold_of_an_images_patches_is_the_image(p: int, sigma: float, wraps: bool) -> None:
    image = torch.rand(1, 3, 24, 32, dtype=torch.float64, generator=seeded())
    patches = rows(wrap(image, p) if wraps else image, p)
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
    levels = neighbour_pyramid(image, coarsest=14)
    noise = levels.draw(seeded())[0]
    ours = levels.generate([noise.double(), *(torch.zeros_like(scale.real) for scale in levels.scales[1:])])
    theirs = nearest_neighbours([scale.real for scale in levels.scales], noise.double(), 0.75, 10)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


def test_the_incremental_search_is_the_full_one(monkeypatch: Patch) -> None:
    image = scene(48, 64)
    levels = neighbour_pyramid(image)
    noise = levels.draw(seeded())
    incremental = levels.generate(noise)
    monkeypatch.setattr(neighbours, "MOVED", -1.0)
    assert float((incremental - levels.generate(noise)).abs().mean()) < 0.1 / 127.5


def test_neighbours_without_noise_give_the_picture_back() -> None:
    image = scene()
    levels = neighbour_pyramid(image, sigma=0.0)
    assert float((levels.generate(levels.z_rec()) - image).abs().mean()) < 0.5 / 127.5


@pytest.mark.parametrize("rounds", [pytest.param(0, marks=pytest.mark.slow), 20])
def test_diffusion_is_that_of_the_plain_algorithm(rounds: int) -> None:
    """In all directions, and but for what a patch's outer pixels weigh: 2 % and less of its centre."""
    image = scene(24, 32).double()
    levels = diffusion_pyramid(image, coarsest=18, balance=Balance(rounds))
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


def test_balancing_does_not_depend_on_the_device(monkeypatch: Patch) -> None:
    """Where a GPU looks at all keys, as it does where a CPU looks into lists, weights are balanced up to one number."""
    monkeypatch.setitem(denoise.LISTS_FROM, "cpu", 65536)  # as on a GPU
    monkeypatch.setattr(denoise, "balance_weights", lambda scores, _: pytest.fail(f"{tuple(scores.shape)} weights"))
    image = scene(60, 60)
    many = Denoiser.of(image)
    assert many.lists is None
    assert len(many.keys) >= denoise.BALANCED
    many.clean(image, 0.5, 0.5, False, BALANCES["full"])
    with pytest.raises(pytest.fail.Exception, match="weights"):
        Denoiser.of(scene(40, 40)).clean(scene(40, 40), 0.5, 0.5, False, BALANCES["full"])


def test_balance_weights_use_every_patch_equally_often() -> None:
    scores = torch.randn(300, 200, dtype=torch.float64, generator=seeded()) * 3
    scores[:, :20] += 8  # what the plain softmax would use alone
    plain = scores.softmax(dim=1).sum(dim=0) * 200 / 300
    used = {name: balance_weights(scores, balance).sum(dim=0) * 200 / 300 for name, balance in BALANCES.items()}
    torch.testing.assert_close(used["off"], plain)
    spread = {name: float(shares.std()) for name, shares in used.items()}
    assert spread["full"] < 0.05 < spread["light"] < spread["off"]
    assert torch.allclose(balance_weights(scores, BALANCES["full"]).sum(dim=1), torch.ones(300, dtype=torch.float64))


def test_balancing_is_that_of_plain_logarithms_where_numbers_run_out() -> None:
    scores = (torch.randn(60, 50, generator=seeded()) * 400).float()
    bias = torch.zeros(50, dtype=torch.float64)
    for _ in range(20):
        used = (scores.double() + bias).log_softmax(dim=1).logsumexp(dim=0)
        bias = bias + math.log(60 / 50) - used
    expected = (scores.double() + bias).softmax(dim=1)
    assert float((balance_weights(scores, Balance(20)) - expected).abs().mean()) < 1e-3


def test_a_small_alpha_uses_more_patches_of_a_rare_part() -> None:
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


def test_a_small_alpha_uses_every_patch_of_a_picture_twice_its_size() -> None:
    image = (scene(32, 32).double() + 1) / 2
    keys, queries = Keys.of(image, 7), rows(resized(image, (64, 64)), 7)
    assert len(keys.nearest(queries).unique()) < len(keys.rows)
    factors = 1 / (1e-9 * queries.shape[1] + keys.least_distances(queries))
    assert len(keys.nearest(queries, factors).unique()) == len(keys.rows)
