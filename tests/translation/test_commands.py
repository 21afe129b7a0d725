"""The commands of paired translation, as people use them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import translate_test
import translate_train
from Pix2Pix.runs.record import Recorder
from Pix2Pix.runs.training import Trainer
from tests.cases import mostly_slow
from tests.translation.tiny import TINY, data_set, draw
from tests.workspace import Capture, refusal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return data_set(tmp_path / "squares")


def flags(data: Path, *more: str) -> list[str]:
    return ["--dataroot", str(data), "--out", str(data.parent / "out"), *TINY, *more]


def model(data: Path, name: str = "squares") -> Path:
    return data.parent / "out" / "checkpoints" / name


def weights(place: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(place / "latest_net_G.pth", weights_only=True))


CHECKPOINT = Recorder.checkpoint


def contents(folder: Path) -> dict[str, bytes]:
    """All files in ``folder`` by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_training_and_its_test(data: Path, capsys: Capture) -> None:
    translate_train.main(flags(data, "--save_epoch_freq", "2", "--batch_size", "4"))
    place = model(data)
    kept = {path.name for path in place.glob("*.pth")}
    assert kept == {f"{epoch}_net_{net}.pth" for epoch in ("2", "3", "latest") for net in "GD"}
    assert (place / "web" / "images" / "epoch002_fake_B.png").exists()
    rows = (place / "losses.csv").read_text().splitlines()
    assert rows[0] == "epoch,step,G_GAN,G_L1,G_total,D_real,D_fake,D_total"
    assert [row.split(",")[:2] for row in rows[1:]] == [[e, s] for e in "123" for s in "12"]
    before = contents(place)
    translate_train.main(flags(data, "--save_epoch_freq", "2", "--batch_size", "4"))
    assert "already trained" in capsys.readouterr().out
    assert contents(place) == before
    test = ["--dataroot", str(data), "--out", str(data.parent / "out"), "--not_cuda", "--manualSeed", "1"]
    translate_test.main(test)
    out = capsys.readouterr().out
    assert "3 pictures: L1" in out
    assert "was trained with batches of 4" in out
    images = data.parent / "out" / "results" / "squares" / "test_latest" / "images"
    assert {path.name for path in images.iterdir()} == {
        f"{stem}_{kind}.png" for stem in ("10", "11", "12") for kind in ("real_A", "fake_B", "real_B")
    }
    translate_test.main([*test, "--num_test", "1", "--eval", "--epoch", "2", "--results_dir", str(data / "r")])
    assert (data / "r" / "squares" / "test_2" / "index.html").exists()
    translate_test.main([*test, "--statistics", "running"])
    assert "was trained with batches" not in capsys.readouterr().out
    assert contents(place) == before


@pytest.mark.parametrize("preprocess", mostly_slow(["resize_and_crop", "none"], {"none"}))
def test_a_resumed_run_has_the_bits_of_a_whole_one(
    data: Path, monkeypatch: pytest.MonkeyPatch, preprocess: str
) -> None:
    for name in ("1", "4") if preprocess == "none" else ():  # batches of two sizes
        Image.fromarray(np.concatenate(draw(int(name), 130), axis=1)).save(data / "train" / f"{name}.png")
    more = [
        "--netG",
        "unet_64",
        "--load_size",
        "72",
        "--crop_size",
        "64",
        "--batch_size",
        "2",
        "--checkpoint_every",
        "0",
        "--preprocess",
        preprocess,
    ]
    translate_train.main(flags(data, *more, "--name", "whole"))
    whole = weights(model(data, "whole"))
    for stop in (1, 4, 8):
        name, steps = f"cut{stop}", 0

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
                translate_train.main(flags(data, *more, "--name", name))
        assert (model(data, name) / "checkpoint.pth").exists()
        translate_train.main(flags(data, *more, "--name", name))
        assert same(weights(model(data, name)), whole)
        assert (model(data, name) / "losses.csv").read_text() == (model(data, "whole") / "losses.csv").read_text()
        assert not list(model(data, name).glob("checkpoint*"))


@pytest.mark.parametrize("place", ["keep", "show"])
@pytest.mark.parametrize("calls", mostly_slow([1, 2], {2}))
def test_a_run_that_is_cut_off_while_it_keeps_an_epoch_keeps_it_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, place: str, calls: int
) -> None:
    more = ["--save_epoch_freq", "1"]
    translate_train.main(flags(data, *more))
    whole, original, left = contents(model(data)), getattr(Recorder, place), [calls]
    shutil.rmtree(model(data))

    def cut(self: Recorder, *values: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        original(self, *values)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, place, cut)
        with pytest.raises(SystemExit):
            translate_train.main(flags(data, *more))
    translate_train.main(flags(data, *more))
    found = contents(model(data))
    assert {name: found.get(name) == content for name, content in whole.items()} == dict.fromkeys(whole, True)
    assert found.keys() == whole.keys()


def test_what_is_interrupted_before_a_checkpoint_leaves_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", cut)
    with pytest.raises(SystemExit):
        translate_train.main(flags(data))
    assert not (data.parent / "out").exists()


def test_overwriting_replaces_at_the_end(data: Path, capsys: Capture) -> None:
    translate_train.main(flags(data))
    old = weights(model(data))
    line = refusal(capsys, lambda: translate_train.main(flags(data, "--lr", "0.01")))
    assert "holds another model: --lr is 0.0002, not 0.01" in line
    translate_train.main(flags(data, "--lr", "0.01", "--overwrite"))
    assert not same(weights(model(data)), old)
    assert json.loads((model(data) / "manifest.json").read_text())["options"]["lr"] == 0.01
    assert [path.name for path in model(data).parent.iterdir()] == ["squares"]


def test_an_overwriting_that_was_cut_off_at_its_very_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translate_train.main(flags(data))
    old = weights(model(data))

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("Pix2Pix.runs.record.replace_folder", cut)
        with pytest.raises(SystemExit):
            translate_train.main(flags(data, "--lr", "0.01", "--overwrite"))
    assert same(weights(model(data)), old)
    translate_train.main(flags(data, "--lr", "0.01", "--overwrite"))
    assert not same(weights(model(data)), old)
    assert [path.name for path in model(data).parent.iterdir()] == ["squares"]


def test_pictures_do_not_depend_on_their_order(data: Path) -> None:
    more = ["--netG", "unet_64", "--load_size", "72", "--crop_size", "64"]
    translate_train.main(flags(data, *more))
    test = ["--name", "squares", "--out", str(data.parent / "out"), "--not_cuda", "--manualSeed", "5"]
    translate_test.main([*test, "--dataroot", str(data), "--num_samples", "2"])
    results = data.parent / "out" / "results" / "squares"
    all_of_them = contents(results / "test_latest" / "images")
    (data / "test" / "10.png").unlink()
    translate_test.main([*test, "--dataroot", str(data), "--num_samples", "2"])
    rest = contents(results / "test_latest" / "images")
    assert rest == {name: content for name, content in all_of_them.items() if "10_" not in name}
    assert rest["11_fake_B.png"] != rest["11_fake_B_1.png"]
    alone = data.parent / "alone"
    alone.mkdir()
    Image.fromarray(draw(11)[0]).save(alone / "11.png")
    translate_test.main([*test, "--single", str(alone)])
    assert (results / "alone_latest" / "images" / "11_fake_B.png").read_bytes() == rest["11_fake_B.png"]


def test_one_pair(data: Path, tmp_path: Path) -> None:
    for side, name in enumerate(("labels", "photo")):
        Image.fromarray(draw(0)[side]).save(tmp_path / f"{name}.png")
    pair = ["--pair", str(tmp_path / "labels.png"), str(tmp_path / "photo.png"), "--out", str(tmp_path / "out")]
    translate_train.main([*pair, *TINY, "--epoch_size", "5", "--label_maps"])
    content = json.loads((tmp_path / "out" / "checkpoints" / "labels" / "manifest.json").read_text())
    assert content["options"]["augment"] == "tps"
    assert content["one_pair"]
    assert len((tmp_path / "out" / "checkpoints" / "labels" / "losses.csv").read_text().splitlines()) == 16


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--phase", "val"], "no pictures of the phase val"),
        (["--crop_size", "48"], "--crop_size 48 is above --load_size 36"),
        (["--netG", "unet_64"], "--crop_size 32 is not a multiple of 64"),
        (["--n_layers_D", "5"], "too small for --netD patch, which needs 96"),
        (["--netD", "none", "--lambda_L1", "0"], "there is nothing to learn"),
        (["--dropout", "0.3", "--stochastic", "weights"], "--dropout needs --stochastic dropout"),
        (["--weight_noise", "0.3"], "--weight_noise needs --stochastic weights"),
        (["--no_dropout", "--stochastic", "weights"], "--no_dropout contradicts"),
        (["--preprocess", "crop", "--crop_size", "64"], "smaller than --crop_size 64"),
        (["--pair", "a.png", "b.png"], "give either"),
        (["--engine", "compiled"], "--engine compiled does not support"),
        (["--n_epoch", "2"], "do you mean --n_epochs?"),
        (["--perceptual_weight", "1", "--vgg_weights", "none.pth"], "no weights file none.pth"),
        (["--n_epochs", "0", "--n_epochs_decay", "0"], "there is nothing to learn"),
    ],
)
def test_refusals_leave_nothing_behind(data: Path, capsys: Capture, more: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: translate_train.main(flags(data, *more)))
    assert not (data.parent / "out").exists()


def test_another_data_set_is_another_model(data: Path, capsys: Capture) -> None:
    translate_train.main(flags(data))
    Image.fromarray(np.concatenate(draw(77), axis=1)).save(data / "train" / "0.png")
    assert "another data set" in refusal(capsys, lambda: translate_train.main(flags(data)))


def test_a_training_that_diverges_keeps_its_checkpoint(
    data: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["--checkpoint_every", "0", "--lr", "1e30", "--gan_mode", "lsgan", "--norm", "none", "--netD", "none"]
    monkeypatch.setattr("SinGAN.runs.loss_log.READ_EVERY", 0.0)
    line = refusal(capsys, lambda: translate_train.main(flags(data, *more)))
    assert "the training diverged" in line
    assert "epoch " in line


def test_presets_and_other_names(data: Path) -> None:
    more = ["--netD", "basic", "--gan_mode", "w", "--model", "stochastic", "--name", "other"]
    translate_train.main(flags(data, *more))
    options = json.loads((model(data, "other") / "manifest.json").read_text())["options"]
    assert (options["netD"], options["gan_mode"], options["lambda_grad"]) == ("patch", "wgan-gp", 0)
    assert options["dropout"] == 0.95


def test_a_published_model_alone_will_do(data: Path, capsys: Capture) -> None:
    translate_train.main(flags(data))
    published = data.parent / "published" / "facades"
    published.mkdir(parents=True)
    shutil.copy(model(data) / "latest_net_G.pth", published)
    single = ["--single", str(data / "test"), "--checkpoints_dir", str(published.parent), "--name", "facades"]
    translate_test.main([*single, "--results_dir", str(data / "r"), "--not_cuda", "--num_test", "1", "--no_dropout"])
    assert len(list((data / "r" / "facades" / "test_latest" / "images").iterdir())) == 2
    test = ["--dataroot", str(data), "--name", "nothing", "--out", str(data.parent / "out")]
    assert "no model of epoch latest" in refusal(capsys, lambda: translate_test.main(test))
