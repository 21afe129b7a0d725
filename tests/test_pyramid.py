"""The pyramid: drawing, generating, saving and loading."""

from pathlib import Path

import pytest
import torch

from SinGAN import pyramid as pyramids
from SinGAN.pyramid import Pyramid


def test_noise_maps_have_each_scales_size_and_margin(pyramid: Pyramid, rng: torch.Generator) -> None:
    for scale, z in zip(pyramid.scales, pyramid.draw(rng, count=2), strict=True):
        assert z.shape == (2, 3, scale.size[0] + 10, scale.size[1] + 10)
        assert not z[:, :, :5].any()
        assert z[:, :, 5:-5, 5:-5].std() > 0.8


def test_the_coarsest_noise_is_one_channel_repeated(pyramid: Pyramid, rng: torch.Generator) -> None:
    first, second, *_ = pyramid.draw(rng)
    assert torch.equal(first[:, 0], first[:, 2])
    assert not torch.equal(second[:, 0], second[:, 2])


def test_first_draws_do_not_depend_on_the_count(pyramid: Pyramid) -> None:
    few = pyramid.draw(torch.Generator().manual_seed(3), count=2)
    many = pyramid.draw(torch.Generator().manual_seed(3), count=5)
    assert all(torch.equal(a, b[:2]) for a, b in zip(few, many, strict=True))


def test_noise_border_fills_the_margin(pyramid: Pyramid, rng: torch.Generator) -> None:
    bordered = Pyramid(pyramid.scales, pyramid.factor, pyramid.margin, noise_border=True)
    for plain, z in zip(pyramid.draw(rng), bordered.draw(rng), strict=True):
        assert z.shape == plain.shape
        assert bool((z != 0).all())
    assert bordered.generate(bordered.draw(rng)).shape == pyramid.scales[-1].real.shape


def test_larger_noise_makes_a_larger_image(pyramid: Pyramid, rng: torch.Generator) -> None:
    assert pyramid.generate(pyramid.draw(rng, enlargement=(1.0, 1.5))).shape == (1, 3, 24, 48)


def test_a_batch_generates_what_its_samples_generate(pyramid: Pyramid, rng: torch.Generator) -> None:
    noise = pyramid.draw(rng, count=3)
    together = pyramid.generate(noise)
    for index in range(3):
        alone = pyramid.generate([z[index : index + 1] for z in noise])
        assert float((together[index] - alone[0]).abs().mean()) < 1e-3


def test_shared_coarse_maps_serve_a_batch(pyramid: Pyramid, rng: torch.Generator) -> None:
    noise = [*pyramid.z_rec()[:2], *pyramid.draw(rng, count=3, start=2)]
    assert pyramid.generate(noise).shape[0] == 3


def test_generating_from_a_scale_uses_the_given_image(pyramid: Pyramid, rng: torch.Generator) -> None:
    fresh = pyramid.draw(rng, start=1)
    coarse = pyramid.below(1).generate(pyramid.z_rec()[:1])
    whole = pyramid.generate([pyramid.z_rec()[0], *fresh])
    assert torch.equal(pyramid.generate(fresh, pyramid.enlarge(coarse)), whole)


def test_no_noise_no_image(pyramid: Pyramid) -> None:
    with pytest.raises(ValueError, match="no noise"):
        pyramid.generate([])


def test_finished_scales_are_frozen(pyramid: Pyramid) -> None:
    for scale in pyramid.scales:
        assert not scale.generator.training
        assert not any(parameter.requires_grad for parameter in scale.generator.parameters())


def test_save_and_load_give_the_same_samples(pyramid: Pyramid, tmp_path: Path) -> None:
    pyramid.save(tmp_path)
    assert pyramids.trained_scales(tmp_path) == len(pyramid)
    loaded = Pyramid.load(tmp_path, torch.device("cpu"), pyramid.factor)
    noise = pyramid.draw(torch.Generator().manual_seed(5))
    assert torch.equal(loaded.generate(noise), pyramid.generate(noise))
    assert [scale.noise_amp for scale in loaded.scales] == [scale.noise_amp for scale in pyramid.scales]
    assert loaded.margin == pyramid.margin


def test_a_folder_cut_short_holds_fewer_scales(pyramid: Pyramid, tmp_path: Path) -> None:
    assert pyramids.trained_scales(tmp_path) == 0
    pyramid.below(2).save(tmp_path)
    assert pyramids.trained_scales(tmp_path) == 2
    pyramid.save(tmp_path)
    assert pyramids.trained_scales(tmp_path) == len(pyramid)


def test_files_hold_tensors_only(pyramid: Pyramid, tmp_path: Path) -> None:
    pyramid.save(tmp_path)
    files = list(tmp_path.rglob("*.pth"))
    assert len(files) == 3 * len(pyramid) + 3
    for file in files:
        torch.load(file, weights_only=True)


def test_damaged_files_are_named(pyramid: Pyramid, tmp_path: Path) -> None:
    pyramid.save(tmp_path)
    whole = (tmp_path / "0" / "netG.pth").read_bytes()
    (tmp_path / "0" / "netG.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"0/netG\.pth is damaged"):
        Pyramid.load(tmp_path, torch.device("cpu"), pyramid.factor)
    torch.save([1, 2], tmp_path / "0" / "netG.pth")
    with pytest.raises(ValueError, match="does not hold the weights"):
        Pyramid.load(tmp_path, torch.device("cpu"), pyramid.factor)


def test_weights_of_another_shape_are_named(pyramid: Pyramid, tmp_path: Path) -> None:
    pyramid.save(tmp_path)
    critic = tmp_path / "0" / "netD.pth"
    torch.save({**torch.load(critic), "tail.weight": torch.zeros(1, 9, 3, 3)}, critic)
    with pytest.raises(ValueError, match=r"0/netD\.pth does not fit"):
        Pyramid.load(tmp_path, torch.device("cpu"), pyramid.factor)
