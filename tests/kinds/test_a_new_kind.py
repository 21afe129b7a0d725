"""A kind of model that only this file knows: what the recipe in CONTRIBUTING.md asks for is enough."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import main_train
import SinGAN
from SinGAN.functions import rmse
from SinGAN.kinds import KINDS
from SinGAN.kinds.kind import Headline, LossColumns, LossPanel
from SinGAN.kinds.singan import SinGANKind
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig, initialise
from SinGAN.options.model import ModelOptions
from SinGAN.options.option import get_options
from SinGAN.planning import Plan, build_reals, scale_seed
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.training import first_z_rec, make_target
from SinGAN.variants.build import build_generator
from tests.cuts import CutError, bits, cut_after
from tests.workspace import SIZES, Capture, Workspace, load_model

FLAGS = ["--not_cuda", *SIZES, "--niter", "4", "--manualSeed", "1", "--checkpoint_every", "0", "--num_samples", "2"]
PANELS = (LossPanel("error", ("error",), is_log=True),)


class ToyKind(SinGANKind):
    """Generators without critics, trained by plain gradient descent to give the picture back."""

    name = "toy"
    extra_files = ("average.pth",)

    def columns(self, config: TrainConfig) -> LossColumns:
        return LossColumns(
            ("error",), dict, {}, PANELS, PANELS, (Headline("error", "err", "error"),), "a smaller `lr_g`"
        )

    def extras(self, pyramid: Pyramid[TrainedScale]) -> Mapping[str, Tensor]:
        return {"average.pth": pyramid.scales[0].real.mean()}

    def pyramid(self, *arguments: Any) -> Pyramid[TrainedScale]:
        plain, *_, extras = arguments
        assert not plain.scales or extras["average.pth"] == plain.scales[0].real.mean()
        return super().pyramid(*arguments)

    def state(
        self, generator: nn.Module, steps: torch.optim.Optimizer, rng: torch.Generator, done: int
    ) -> TrainingState:
        return TrainingState(done, rng.get_state(), {"generator": generator.state_dict(), "steps": steps.state_dict()})

    def train(
        self, image: Tensor, plan: Plan, net: NetConfig, config: TrainConfig, rng: torch.Generator, **others: Any
    ) -> Iterator[Pyramid[TrainedScale]]:
        pyramid = Pyramid[TrainedScale](others["finished"], plan.factor, net.margin)
        state: TrainingState | None = others["resume"]
        for index, real in list(enumerate(build_reals(image, plan)))[len(pyramid) :]:
            rng.manual_seed(scale_seed(1, index))
            generator = build_generator(net.at(index))
            initialise(generator, rng)
            steps = torch.optim.SGD(generator.parameters(), config.lr_g, momentum=0.5)
            z_rec, done = first_z_rec(pyramid, real, rng), 0
            target = make_target(pyramid, real, z_rec, config)
            if state is not None:
                generator.load_state_dict(state.states["generator"])
                steps.load_state_dict(state.states["steps"])
                rng.set_state(state.rng)
                done, state = state.iterations, None
            for iteration in range(done, config.niter):
                steps.zero_grad()
                noise = z_rec + 0.01 * torch.randn(z_rec.shape, generator=rng)
                made = generator(*generator.inputs(noise, z_rec, target.reconstruction, target.noise_amp))
                error = (made - real).square().mean()
                error.backward()
                steps.step()
                state_now = partial(self.state, generator, steps, rng, iteration + 1)
                others["watch"](index, iteration, {"error": error.detach()}, state_now)
            scale = TrainedScale.of(generator, None, real, z_rec, target.noise_amp)
            pyramid = pyramid.with_scale(index, scale)
            yield pyramid


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row in ``KINDS``, and the word of ``train_mode``."""
    mode = get_options(ModelOptions)["train_mode"]
    monkeypatch.setitem(KINDS, "toy", ToyKind())
    monkeypatch.setitem(get_options(ModelOptions), "train_mode", replace(mode, choices=(*mode.choices, "toy")))


def train(workspace: Workspace) -> None:
    main_train.main([*workspace.flags(), *FLAGS, "--train_mode", "toy"])


def folder_of(workspace: Workspace) -> Path:
    return workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000,alpha=10,mode=toy"


def test_it_is_trained_saved_loaded_and_sampled(workspace: Workspace, tmp_path: Path, capsys: Capture) -> None:
    train(workspace)
    folder = folder_of(workspace)
    assert ", err 0." in capsys.readouterr().out
    assert Manifest.read(folder).kind == "toy"
    assert (folder / "0" / "losses.csv").read_text().startswith("iteration,error\n")
    _, pyramid = load_model(folder)
    workspace.sample("--train_mode", "toy", "--gen_start_scale", "1")
    samples = workspace.out / "RandomSamples" / "x" / "mode=toy" / "gen_start_scale=1"
    assert sorted(path.name for path in samples.iterdir()) == ["0.png", "1.png", "2.png", "grid.png"]
    model = SinGAN.load(folder)
    for compact in (False, True):
        model.save(tmp_path / f"{compact}", compact=compact)
        again = SinGAN.load(tmp_path / f"{compact}")
        difference = np.abs(again.reconstruct().astype(int) - model.reconstruct().astype(int))
        assert difference.max() <= 3 * compact
    assert float(rmse(pyramid.generate(pyramid.z_rec()), pyramid.scales[-1].real)) < 1


@pytest.mark.parametrize("iterations", [2, 5])
def test_it_resumes_to_the_same_bits(iterations: int, tmp_path: Path, capsys: Capture) -> None:
    whole, broken = Workspace(tmp_path / "whole"), Workspace(tmp_path / "broken")
    train(whole)
    with cut_after(iterations), pytest.raises(CutError):
        train(broken)
    train(broken)
    assert f"resuming after iteration {iterations % 4} of scale {iterations // 4}" in capsys.readouterr().out
    assert bits(broken) == bits(whole)


def test_its_training_in_memory_shows_its_losses(workspace: Workspace) -> None:
    shown: list[dict[str, float]] = []

    class Listener:
        def note(self, text: str) -> None:
            pass

        def iteration(self, progress: Any, losses: Any) -> None:
            shown.append(progress.shown(losses[-1]))

        def scale_done(self, progress: Any, losses: Any, pictures: Any) -> None:
            assert set(losses) == {"error"}

        def close(self) -> None:
            pass

    picture = workspace.inputs / "x.png"
    model = SinGAN.train(
        picture, train_mode="toy", nfc=4, min_nfc=4, min_size=12, max_size=24, niter=2, watcher=Listener()
    )
    assert model.manifest.kind == "toy"
    assert all(set(losses) == {"error"} for losses in shown)
