"""Random samples: from any scale, at any size, in batches."""

import pytest
import torch

from SinGAN import manipulate
from SinGAN.functions import rmse
from SinGAN.pyramid import Pyramid


def draw(pyramid: Pyramid, count: int, start: int = 0, enlargement: tuple[float, float] = (1, 1)) -> list[torch.Tensor]:
    return list(manipulate.sample(pyramid, torch.Generator().manual_seed(1), count, start, enlargement))


def test_samples_differ_from_each_other(pyramid: Pyramid) -> None:
    samples = draw(pyramid, 4)
    assert [sample.shape for sample in samples] == [pyramid.scales[-1].real.shape] * 4
    assert len({float(sample.sum()) for sample in samples}) == 4


def test_a_higher_start_scale_keeps_the_coarser_content(pyramid: Pyramid) -> None:
    rebuilt = pyramid.generate(pyramid.z_rec())
    distance = [
        sum(float(rmse(sample, rebuilt)) for sample in draw(pyramid, 6, start)) / 6 for start in range(len(pyramid))
    ]
    assert distance[0] > 2 * distance[1]
    assert distance[-1] < distance[1]
    assert distance[-1] > 0


def test_batches_do_not_change_the_samples(pyramid: Pyramid, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(pyramid, 5, 1)
    monkeypatch.setattr(manipulate, "BATCH_VALUES", 2 * 24 * 32 * pyramid.scales[-1].generator.config.filters)
    assert manipulate.batch_size(pyramid) == 2
    parts = draw(pyramid, 5, 1)
    assert len(parts) == 5
    for a, b in zip(whole, parts, strict=True):
        assert float((a - b).abs().mean()) < 1e-3


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("enlargement", [(1.0, 1.5), (2.0, 0.5), (1.14, 1.58)])
def test_any_size_from_any_scale(pyramid: Pyramid, start: int, enlargement: tuple[float, float]) -> None:
    (sample,) = draw(pyramid, 1, start, enlargement)
    assert sample.shape == (1, 3, round(24 * enlargement[0]), round(32 * enlargement[1]))
    assert torch.isfinite(sample).all()


def test_another_size_starts_from_the_stretched_real_image(pyramid: Pyramid) -> None:
    (sample,) = draw(pyramid, 1, len(pyramid) - 1, (1.0, 2.0))
    real = torch.nn.functional.interpolate(pyramid.scales[-1].real, size=(24, 64), mode="bilinear", align_corners=True)
    (other,) = draw(pyramid, 1, 0, (1.0, 2.0))
    assert float(rmse(sample, real)) < float(rmse(other, real))


def test_what_can_not_be_sampled_is_refused(pyramid: Pyramid) -> None:
    for start in (-1, len(pyramid)):
        with pytest.raises(ValueError, match=f"0 to {len(pyramid) - 1} for this model, not {start}"):
            draw(pyramid, 1, start)
    with pytest.raises(ValueError, match="leave no pixel"):
        draw(pyramid, 1, 0, (1.0, 0.001))
