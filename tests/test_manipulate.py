"""Random samples: from any scale, at any size, in batches."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

import SinGAN
from SinGAN import manipulate
from SinGAN.functions import palette_of, rmse
from SinGAN.imresize import back_projected, imresize_to
from SinGAN.losses.train_config import TrainConfig
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.training import make_target
from tests.workspace import stripes


def draw(
    pyramid: Pyramid[TrainedScale], count: int, start: int = 0, enlargement: tuple[float, float] = (1, 1)
) -> list[torch.Tensor]:
    return list(manipulate.sample(pyramid, torch.Generator().manual_seed(1), count, start, enlargement))


def test_samples_differ_from_each_other(pyramid: Pyramid[TrainedScale]) -> None:
    samples = draw(pyramid, 4)
    assert [sample.shape for sample in samples] == [pyramid.scales[-1].real.shape] * 4
    assert len({float(sample.sum()) for sample in samples}) == 4


def test_a_higher_start_scale_keeps_the_coarser_content(pyramid: Pyramid[TrainedScale]) -> None:
    rebuilt = pyramid.generate(pyramid.z_rec())
    distance = [
        sum(float(rmse(sample, rebuilt)) for sample in draw(pyramid, 6, start)) / 6 for start in range(len(pyramid))
    ]
    assert distance[0] > 2 * distance[1]
    assert distance[-1] < distance[1]
    assert distance[-1] > 0


def test_batches_do_not_change_the_samples(pyramid: Pyramid[TrainedScale], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(pyramid, 5, 1)
    monkeypatch.setitem(manipulate.BATCH_VALUES, "cpu", 2 * 24 * 32 * pyramid.scales[-1].generator.config.filters)
    assert manipulate.batch_size(pyramid) == 2
    parts = draw(pyramid, 5, 1)
    assert len(parts) == 5
    for a, b in zip(whole, parts, strict=True):
        assert float((a - b).abs().mean()) < 1e-3


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("enlargement", [(1.0, 1.5), (2.0, 0.5), (1.14, 1.58)])
def test_any_size_from_any_scale(pyramid: Pyramid[TrainedScale], start: int, enlargement: tuple[float, float]) -> None:
    (sample,) = draw(pyramid, 1, start, enlargement)
    assert sample.shape == (1, 3, round(24 * enlargement[0]), round(32 * enlargement[1]))
    assert torch.isfinite(sample).all()


def test_another_size_starts_from_the_stretched_real_image(pyramid: Pyramid[TrainedScale]) -> None:
    (sample,) = draw(pyramid, 1, len(pyramid) - 1, (1.0, 2.0))
    real = torch.nn.functional.interpolate(pyramid.scales[-1].real, size=(24, 64), mode="bilinear", align_corners=True)
    (other,) = draw(pyramid, 1, 0, (1.0, 2.0))
    assert float(rmse(sample, real)) < float(rmse(other, real))


def test_what_can_not_be_sampled_is_refused(pyramid: Pyramid[TrainedScale]) -> None:
    for start in (-1, len(pyramid)):
        with pytest.raises(ValueError, match=f"0 to {len(pyramid) - 1} for this model, not {start}"):
            draw(pyramid, 1, start)
    with pytest.raises(ValueError, match="leave no pixel"):
        draw(pyramid, 1, 0, (1.0, 0.001))


def paint_like(pyramid: Pyramid[TrainedScale]) -> torch.Tensor:
    """A reference of the finest scale's size that the picture doesn't show."""
    return pyramid.scales[-1].real.flip(3).clone()


def test_a_paint_changes_most_at_the_coarsest_injection(pyramid: Pyramid[TrainedScale]) -> None:
    paint = paint_like(pyramid)
    change = [
        float(rmse(next(manipulate.inject(pyramid, paint, scale, torch.Generator().manual_seed(1))), paint))
        for scale in (1, len(pyramid) - 1)
    ]
    assert change[-1] < change[0]


def test_injection_gives_as_many_pictures_as_asked(
    pyramid: Pyramid[TrainedScale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manipulate, "batch_size", lambda pyramid: 2)
    made = torch.cat([*manipulate.inject(pyramid, paint_like(pyramid), 2, torch.Generator().manual_seed(1), count=5)])
    assert made.shape == (5, *pyramid.scales[-1].real.shape[1:])
    assert len({float(image.sum()) for image in made}) == 5


def test_injection_scales(pyramid: Pyramid[TrainedScale]) -> None:
    top = len(pyramid) - 1
    assert manipulate.injection_scales(pyramid, [2, 1, 2]) == [1, 2]
    assert manipulate.injection_scales(pyramid, [None]) == list(range(1, top + 1))
    for wrong in (0, top + 1):
        with pytest.raises(ValueError, match=f"1 to {top} for this model, not {wrong}"):
            manipulate.injection_scales(pyramid, [1, wrong])
        with pytest.raises(ValueError, match="for this model"):
            manipulate.injection_scales(pyramid, [None, wrong])


@pytest.mark.parametrize(("scales", "words"), [(range(1), "0"), (range(3), "0 to 2"), (range(1, 2), "1")])
def test_ranges_of_scales_in_words(scales: range, words: str) -> None:
    assert manipulate.format_range(scales) == words


@pytest.mark.parametrize("method", ["instant", "patches"])
def test_a_picture_with_a_single_scale(method: str) -> None:
    picture = np.arange(7 * 7 * 3, dtype=np.uint8).reshape(7, 7, 3)
    model = SinGAN.instant(picture, method)
    assert list(model.injection_scales) == []
    for scales in (0, 1, (None,), (1, 2)):
        with pytest.raises(ValueError, match="the picture has a single scale, and `start_scale` is above the coarsest"):
            model.paint(picture, start_scale=scales)
    if method == "patches":
        with pytest.raises(ValueError, match="`start_scale` must be 0 for this model, not 1"):
            model.sample(start_scale=1)


def test_blending_keeps_the_picture_outside_the_mask(pyramid: Pyramid[TrainedScale]) -> None:
    real, mask = pyramid.scales[-1].real, torch.zeros(1, 1, 24, 32)
    mask[:, :, :, 16:] = 1
    blended = manipulate.blend(real, -real, mask)
    assert torch.equal(blended[..., :16], real[..., :16])
    assert torch.equal(blended[..., 16:], -real[..., 16:])


def test_k_means_finds_the_colours() -> None:
    colours = torch.tensor([[-1.0, -1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]])
    image = colours[torch.arange(40) % 5].reshape(1, 8, 5, 3).movedim(-1, 1)
    assert sorted(palette_of(image).tolist()) == sorted(colours.tolist())
    assert torch.equal(palette_of(stripes()), palette_of(stripes()))
    assert len(palette_of(torch.zeros(1, 3, 4, 4))) == 1


def test_quantised_paint_has_the_scales_size_and_few_colours(pyramid: Pyramid[TrainedScale]) -> None:
    palette = palette_of(pyramid.scales[-1].real)
    last = len(pyramid) - 1
    small = manipulate.quantised_paint(pyramid, paint_like(pyramid), last, palette)
    assert small.shape == pyramid.scales[-1].real.shape
    assert len(small[0].flatten(1).T.unique(dim=0)) <= 5
    assert manipulate.quantised_paint(pyramid, paint_like(pyramid), 1, palette).shape == pyramid.scales[1].real.shape


@pytest.mark.parametrize("factor", [1.1, 2.0, 2.5, 4.0])
def test_super_resolution_has_exactly_the_size_asked(
    pyramid: Pyramid[TrainedScale], rng: torch.Generator, factor: float
) -> None:
    real = pyramid.scales[-1].real
    size = int(factor * 24), int(factor * 32)
    assert manipulate.super_resolve(pyramid, real, factor, rng).shape[2:] == size
    assert manipulate.bicubic(real, factor).shape[2:] == size
    assert manipulate.super_resolve(pyramid, real[:, :, :17, :13], factor, rng).shape[2:] == (
        int(factor * 17),
        int(factor * 13),
    )


def test_back_projection_gives_the_input_back_when_reduced(
    pyramid: Pyramid[TrainedScale], rng: torch.Generator
) -> None:
    real = pyramid.scales[-1].real * 0.8
    errors = []
    for rounds in (0, 1, 10):
        large = manipulate.super_resolve(pyramid, real, 2.5, rng.manual_seed(1), rounds=rounds)
        assert large.shape[2:] == (60, 80)
        errors.append(float((imresize_to(large, (24, 32)) - real).abs().mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 1 / 127  # that of 8 bits
    exact = imresize_to(stripes(60, 80), (24, 32))
    near = back_projected(imresize_to(exact, (60, 80)), exact, 10)
    assert float((near - imresize_to(exact, (60, 80))).abs().mean()) < 0.02


def test_the_mean_of_several_enlargements(pyramid: Pyramid[TrainedScale], rng: torch.Generator) -> None:
    real = pyramid.scales[-1].real
    mean = manipulate.super_resolve(pyramid, real, 2, rng.manual_seed(1), count=3)
    rng.manual_seed(1)
    each = [manipulate.super_resolve(pyramid, real, 2, rng) for _ in range(3)]
    torch.testing.assert_close(mean, torch.cat(each).mean(dim=0, keepdim=True))
    assert not torch.equal(each[0], each[1])


def test_enlargements_are_near_the_cube_root_of_2() -> None:
    for factor in (1.1, 1.5, 2.0, 3.0, 4.0, 8.0):
        count, step = manipulate.enlargement_steps(factor)
        assert step**count == pytest.approx(factor)
        assert 1 < step < 1.45
    assert manipulate.enlargement_steps(4)[0] == 6


def test_reduce_leaves_small_pictures_their_size() -> None:
    assert manipulate.reduce(stripes(40, 60), 30).shape == (1, 3, 20, 30)
    assert manipulate.reduce(stripes(40, 60), 90).shape == (1, 3, 40, 60)


def test_a_walk_stays_when_pulled_and_strays_when_not() -> None:
    z = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def fresh() -> Iterator[torch.Tensor]:
        rng = torch.Generator().manual_seed(1)
        while True:
            yield torch.randn(1, 3, 8, 8, generator=rng)

    def last(alpha: float, beta: float) -> torch.Tensor:
        *_, end = itertools.islice(manipulate.walk(z, fresh(), alpha, beta), 20)
        return end

    assert torch.equal(last(1.0, 0.9), z)
    assert float(rmse(last(0.1, 0.9), z)) > float(rmse(last(0.9, 0.9), z))


def frames(pyramid: Pyramid[TrainedScale], start: int, count: int = 7) -> torch.Tensor:
    noisy = replace(pyramid, noise_border=True)
    return torch.cat(list(manipulate.animate(noisy, torch.Generator().manual_seed(1), count, start, 0.1, 0.9)))


def test_animations_of_higher_start_scales_stay_closer_to_the_picture(pyramid: Pyramid[TrainedScale]) -> None:
    rebuilt = pyramid.generate(pyramid.z_rec())
    still = [float(rmse(frames(pyramid, start), rebuilt.expand(7, -1, -1, -1))) for start in (0, 1, len(pyramid) - 1)]
    assert still[0] > still[1] > still[2]


def test_batches_do_not_change_an_animation(pyramid: Pyramid[TrainedScale], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frames(pyramid, 0)
    monkeypatch.setattr(manipulate, "batch_size", lambda pyramid: 3)
    parts = frames(pyramid, 0)
    assert parts.shape == (7, 3, 24, 32)
    assert float((whole - parts).abs().mean()) < 1e-3


def test_an_animation_needs_its_start_scale(pyramid: Pyramid[TrainedScale]) -> None:
    with pytest.raises(ValueError, match="`start_scale` must be 0 to"):
        frames(pyramid, len(pyramid))


def test_a_references_margin_is_that_of_the_training(
    pyramid: Pyramid[TrainedScale], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a scale sees of a reference is padded with zeros, as what it saw of the coarser scales in its training."""
    seen: list[torch.Tensor] = []
    call = TrainedScale.__call__

    def watched(scale: TrainedScale, noise: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        seen.append(previous)
        return call(scale, noise, previous)

    monkeypatch.setattr(TrainedScale, "__call__", watched)
    real, last, margin = pyramid.scales[-1].real, len(pyramid) - 1, pyramid.margin
    next(manipulate.inject(pyramid, real, last, torch.Generator().manual_seed(1)))
    (put_in,) = seen
    trained = make_target(pyramid.below(last), real, pyramid.scales[last].z_rec, TrainConfig()).reconstruction
    assert put_in.shape == trained.shape
    for previous in (put_in, trained):
        inside = previous[..., margin:-margin, margin:-margin]
        assert float(inside.abs().sum()) > 0
        assert float(previous.abs().sum()) == pytest.approx(float(inside.abs().sum()), rel=1e-6)
