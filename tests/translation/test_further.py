"""A finished model trained further: the same bits as its definition, also after interruptions; nothing else changes."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

import translate_study
import translate_test
import translate_train
from Pix2Pix.losses.games import learning_rate
from Pix2Pix.losses.step import train_step
from Pix2Pix.runs.folder import Manifest
from Pix2Pix.runs.record import Recorder
from Pix2Pix.runs.training import Trainer
from Pix2Pix.study import parse_request
from SinGAN.storage.hashes import digest
from tests.translation.test_commands import CHECKPOINT, contents, flags, model, same, weights
from tests.translation.tiny import data_set
from tests.workspace import Capture, refusal

MORE = ["--continue_train", "--n_epochs", "4", "--n_epochs_decay", "2"]
FLAGS = ["--batch_size", "4", "--save_epoch_freq", "1"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set, and a model that was trained on it for 2 epochs and 1 of decay."""
    found = data_set(tmp_path / "squares")
    translate_train.main(flags(found, *FLAGS))
    return found


def by_definition(data: Path, place: Path, kept: str, first: int, more: list[str]) -> dict[str, torch.Tensor]:
    """The generator after training further: the kept nets, new optimizers, and each epoch's pairs and rate."""
    asked = parse_request(flags(data, *FLAGS, *more), 1)
    rng = torch.Generator().manual_seed(1)
    nets = asked.nets(torch.device("cpu"), rng)
    for letter, net in (("G", nets.generator), ("D", nets.critic)):
        assert net is not None
        net.load_state_dict(torch.load(place / f"{kept}_net_{letter}.pth", weights_only=True))
    rng.manual_seed(int(digest([1, first])[:15], 16))
    for epoch in range(first, asked.epochs + 1):
        nets.set_rate(learning_rate(epoch, asked.options.lr, asked.options.n_epochs, asked.options.n_epochs_decay))
        for a, b in asked.pairs.batches(epoch, 4):
            train_step(nets, a, b, asked.losses, rng)
    return {name: value.clone() for name, value in nets.generator.state_dict().items()}


@pytest.mark.parametrize(
    ("kept", "first", "more"),
    [
        ("latest", 4, MORE),
        ("2", 3, [*MORE, "--epoch", "2", "--lr", "0.001"]),
        ("2", 5, [*MORE, "--epoch", "2", "--epoch_count", "5"]),
    ],
)
def test_a_training_further_is_what_its_definition_says(data: Path, kept: str, first: int, more: list[str]) -> None:
    expected = by_definition(data, model(data), kept, first, more)
    before = contents(model(data))
    rows = (model(data) / "losses.csv").read_text().splitlines()
    translate_train.main(flags(data, *FLAGS, *more))
    assert same(weights(model(data)), expected)
    manifest, after = Manifest.read(model(data)), contents(model(data))
    assert (manifest.epochs, manifest.first_epoch, manifest.seed) == (6, first, 1)
    # what was kept of earlier epochs stays
    for epoch in range(1, 4):
        for name in (f"{epoch}_net_G.pth", f"{epoch}_net_D.pth", f"web/images/epoch{epoch:03d}_fake_B.png"):
            assert (after[name] == before[name]) == (epoch < first)
    now = (model(data) / "losses.csv").read_text().splitlines()
    assert now[: 1 + 2 * min(first - 1, 3)] == rows[: 1 + 2 * min(first - 1, 3)]
    known = [*range(1, min(first, 4)), *range(first, 7)]
    assert [line.split(",")[:2] for line in now[1:]] == [[str(e), s] for e in known for s in "12"]
    assert [path.name for path in model(data).parent.iterdir()] == ["squares"]
    assert not list(model(data).glob("checkpoint*"))


def test_an_interrupted_training_further_has_the_bits_of_a_whole_one(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    expected = by_definition(data, model(data), "latest", 4, MORE)
    old = weights(model(data))
    for stop in (1, 3):
        steps = 0

        def cut(trainer: Trainer, stop: int = stop) -> None:
            nonlocal steps
            steps += 1
            if steps == stop:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(
                Recorder, "checkpoint", lambda self, trainer, cut=cut: (CHECKPOINT(self, trainer), cut(trainer))
            )
            with pytest.raises(SystemExit):
                translate_train.main(flags(data, *FLAGS, *MORE, "--checkpoint_every", "0"))
        assert same(weights(model(data)), old)  # the finished model stays until the new one is whole
    translate_train.main(flags(data, *FLAGS, *MORE))
    assert same(weights(model(data)), expected)
    assert len((model(data) / "losses.csv").read_text().splitlines()) == 13
    assert [path.name for path in model(data).parent.iterdir()] == ["squares"]
    capsys.readouterr()
    before = contents(model(data))
    for more in (MORE, MORE[1:]):  # nothing is left to do
        translate_train.main(flags(data, *FLAGS, *more))
        assert "already trained" in capsys.readouterr().out
    assert contents(model(data)) == before
    translate_test.main(["--dataroot", str(data), "--out", str(data.parent / "out"), "--not_cuda"])


def test_a_kill_before_the_first_checkpoint_leaves_the_finished_model(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = contents(model(data).parent)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", cut)
        with pytest.raises(SystemExit):
            translate_train.main(flags(data, *FLAGS, *MORE))
    assert contents(model(data).parent) == before


def test_a_model_is_trained_further_twice(data: Path) -> None:
    translate_train.main(flags(data, *FLAGS, "--continue_train", "--n_epochs", "3"))
    expected = by_definition(data, model(data), "latest", 5, ["--n_epochs", "4"])
    translate_train.main(flags(data, *FLAGS, "--continue_train", "--n_epochs", "4"))
    assert same(weights(model(data)), expected)
    assert [line.partition(",")[0] for line in (model(data) / "losses.csv").read_text().splitlines()[1:]] == [
        epoch for epoch in "12345" for _ in "12"
    ]


def test_nets_without_a_manifest_need_the_first_epoch(data: Path, capsys: Capture) -> None:
    expected = by_definition(data, model(data), "latest", 4, MORE)
    (model(data) / "manifest.json").unlink()  # as pix2pix's own code leaves them
    line = refusal(capsys, lambda: translate_train.main(flags(data, *FLAGS, *MORE)))
    assert "name the first epoch with --epoch_count" in line
    translate_train.main(flags(data, *FLAGS, *MORE, "--epoch_count", "4"))
    assert same(weights(model(data)), expected)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (MORE[1:], "--continue_train trains it further; --overwrite replaces it"),
        (["--continue_train", "--n_epochs", "1"], "has been trained up to epoch 3, and --n_epochs 1"),
        ([*MORE, "--epoch_count", "7"], "has been trained up to epoch 6"),
        (
            [*MORE, "--lambda_L1", "1"],
            "--lambda_L1 is 100.0, not 1.0. --continue_train keeps all but",
        ),
        ([*MORE, "--epoch", "77"], "no net"),
        ([*MORE, "--overwrite"], "--continue_train and --overwrite contradict each other"),
        ([*MORE, "--name", "none"], "to train further: leave --continue_train out, or correct --name"),
        (["--epoch_count", "4"], "--epoch_count needs --continue_train"),
        (["--epoch", "2"], "--epoch needs --continue_train"),
    ],
)
def test_refusals_change_nothing(data: Path, capsys: Capture, more: list[str], words: str) -> None:
    before = contents(data.parent)
    assert words in refusal(capsys, lambda: translate_train.main(flags(data, *FLAGS, *more)))
    assert contents(data.parent) == before


def test_a_study_trains_no_model_further(data: Path, capsys: Capture) -> None:
    command: Callable[[], None] = partial(translate_study.main, flags(data, "--vary", "lr=1e-4,2e-4", *MORE))
    assert "--continue_train is for one model" in refusal(capsys, command)


@pytest.mark.parametrize(
    "changes", [{"first_epoch": 2}, {"first_epoch": 0}, {"base": "x"}, {"base": "0" * 64, "first_epoch": 4}]
)
def test_a_manifest_with_another_start_is_refused(data: Path, changes: dict[str, object]) -> None:
    file = model(data) / "manifest.json"
    content = {**json.loads(file.read_text()), **changes}
    del content["checksum"]
    file.write_text(json.dumps({**content, "checksum": digest(content)}))
    with pytest.raises(ValueError, match="is damaged or not a checkpoint"):
        Manifest.read(model(data))
