"""The tensor helpers, on values known beforehand."""

import torch

from SinGAN import functions


def test_pad_and_centre_crop_undo_each_other() -> None:
    image = torch.rand(2, 3, 4, 5)
    padded = functions.pad(image, 2)
    assert padded.shape == (2, 3, 8, 9)
    assert float(padded[:, :, :2].abs().max()) == 0
    assert torch.equal(functions.centre_crop(padded, (4, 5)), image)


def test_crop_keeps_the_top_left() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert functions.crop(image, (2, 2)).flatten().tolist() == [0, 1, 4, 5]
    assert functions.crop(image, (9, 9)).shape == image.shape


def test_stretch_keeps_the_corners() -> None:
    image = torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, None]
    out = functions.stretch(image, (3, 3))
    assert out[0, 0].tolist() == [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]
    assert functions.stretch(image, (2, 2)) is image


def test_rmse() -> None:
    assert float(functions.rmse(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 2.0))) == 2


def test_quantise_snaps_to_the_nearest_colour() -> None:
    palette = torch.tensor([[0.0, 0, 0], [1, 1, 1]])
    image = torch.tensor([0.2, 0.9, 0.6, -3.0]).reshape(1, 1, 2, 2).expand(2, 3, -1, -1)
    assert functions.quantise(image, palette)[1, 2].tolist() == [[0, 1], [1, 0]]
