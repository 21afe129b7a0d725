"""Generators that make the image itself, and options that leave the bits as they are."""

import json

import pytest
import torch
from PIL import Image

import editing
from SinGAN.functions import rmse
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.model import legacy_defaults
from SinGAN.planning import plan_scales
from SinGAN.saved_models.manifest import Manifest
from SinGAN.training import train
from tests.conftest import TINY
from tests.workspace import Capture, Workspace, refusal, stripes


def test_a_generator_without_residual_makes_the_image_itself(rng: torch.Generator) -> None:
    plain, residual = (Generator(NetConfig(filters=4, min_filters=4, residual=value)) for value in (False, True))
    plain.load_state_dict(residual.state_dict())
    z, previous = (torch.randn(1, 3, 20, 24, generator=rng) for _ in range(2))
    torch.testing.assert_close(residual(z, previous) - plain(z, previous), previous[..., 5:-5, 5:-5])
    assert torch.equal(plain(z, previous), plain(z, previous + 1))


def test_no_residual_holds_in_every_later_use(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.train("--no_residual")
    assert Manifest.read(workspace.model()).options["no_residual"] is True
    made: list[bool] = []
    forward = Generator.forward

    def spy(net: Generator, *inputs: torch.Tensor) -> torch.Tensor:
        made.append(net.config.residual)
        image: torch.Tensor = forward(net, *inputs)
        return image

    monkeypatch.setattr(Generator, "forward", spy)
    workspace.sample("--gen_start_scale", "1")
    workspace.draw("edited.png", mode="L")
    mask = Image.new("L", (28, 20))
    mask.paste(255, (8, 6, 16, 12))
    mask.save(workspace.inputs / "edited_mask.png")
    flags = [*workspace.flags(), "--not_cuda", "--ref_dir", str(workspace.inputs), "--ref_name", "edited.png"]
    editing.main([*flags, "--editing_start_scale", "1"])
    assert made
    assert not any(made)
    line = refusal(capsys, lambda: workspace.train("--alpha", "10"))
    assert "--no_residual is True, not False" in line


def test_a_model_of_before_these_options_is_kept(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    options = json.loads((workspace.model() / "manifest.json").read_text())["options"]
    older = {name: value for name, value in options.items() if name not in legacy_defaults()}
    workspace.changed_manifest(options={**older, "netD": None})
    workspace.train()
    assert "already there" in capsys.readouterr().out


def test_neutral_options_leave_the_bits(workspace: Workspace) -> None:
    workspace.train()
    before = workspace.results()
    workspace.train("--overwrite", "--gan_mode", "wgan-gp", "--lambda_grad", "0.1")
    assert workspace.results() == before
    workspace.train("--overwrite", "--gan_mode", "hinge")
    assert workspace.results() != before


@pytest.mark.slow
def test_a_training_without_residual_gives_the_picture_back_too(rng: torch.Generator) -> None:
    net = NetConfig(3, 4, 4, residual=False)
    *_, pyramid = train(stripes(), plan_scales(24, 32, TINY), net, TrainConfig(niter=30), rng)
    assert float(rmse(pyramid.generate(pyramid.z_rec()), pyramid.scales[-1].real)) < 0.5
