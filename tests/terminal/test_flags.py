"""Flags: defaults of the spec, ranges, devices, and one line for what is wrong."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import config
from SinGAN.engines import engine as engines
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.planning import PyramidConfig
from SinGAN.runs.run import Run
from SinGAN.terminal.script import printing_notes, script

NAME = ["--input_name", "x.png", "--not_cuda"]


def parse(*flags: str) -> Run:
    return config.parse(config.parser("test", ["train"]), [*NAME, *flags]).run


def refusal(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """The one line that the flags get, which must come with exit status 2."""

    def main(argv: Sequence[str]) -> None:
        parse(*argv)

    with pytest.raises(SystemExit) as stop:
        script(main)(flags)
    assert stop.value.code == 2
    err: str = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "error: " in err
    return err


def test_defaults_are_the_specs() -> None:
    run = parse()
    assert run.options.net == NetConfig(channels=3, filters=32, min_filters=32, ker_size=3, num_layer=5)
    assert run.options.pyramid == PyramidConfig(min_size=25, max_size=250, scale_factor=0.75)
    assert run.options.training == TrainConfig(
        niter=2000, Gsteps=3, Dsteps=3, lr_g=0.0005, lr_d=0.0005, gamma=0.1, beta1=0.5,
        lambda_grad=0.1, alpha=10, noise_amp=0.1, redraw_z_rec=True, noise_border=False,
    )  # fmt: skip
    assert run.picture == Path("Input/Images/x.png")
    assert run.model == Path("Output/TrainedModels/x/scale_factor=0.750000,alpha=10")
    assert run.device == torch.device("cpu")


def test_every_flag_arrives() -> None:
    run = parse(
        "--nc_im", "1", "--nfc", "8", "--min_nfc", "4", "--ker_size", "5", "--num_layer", "4", "--scale_factor", "0.5",
        "--noise_amp", "0.2", "--min_size", "20", "--max_size", "90", "--niter", "7", "--gamma", "0.3", "--lr_g", "0.1",
        "--lr_d", "0.2", "--beta1", "0", "--Gsteps", "1", "--Dsteps", "2", "--lambda_grad", "1", "--alpha", "0.5",
        "--z_rec", "fixed", "--input_dir", "in", "--out", "out", "--manualSeed", "3", "--stride", "1",
        "--padd_size", "0", "--mode", "train", "--overwrite",
    )  # fmt: skip
    assert run.options.net == NetConfig(1, 8, 4, 5, 4)
    assert run.options.pyramid == PyramidConfig(20, 90, 0.5)
    assert run.options.training == TrainConfig(7, 1, 2, 0.1, 0.2, 0.3, 0, 1, 0.5, 0.2, redraw_z_rec=False)
    assert (run.seed, run.fresh_rng().initial_seed(), run.settings.overwrite) == (3, 3, True)
    assert run.picture == Path("in/x.png")
    assert run.options.nc_z == 1
    assert "niter" in run.given
    assert "device" not in run.given


def test_seeds_differ_when_none_is_given() -> None:
    assert len({parse().seed for _ in range(4)}) > 1


def test_flags_given_by_hand_are_known_even_at_their_default() -> None:
    assert parse("--alpha", "10", "--out", "Output").given == {"input_name", "not_cuda", "alpha", "out"}


def test_given_flags_become_words_that_mean_the_same() -> None:
    parser = config.parser("test", ["train"])
    argv = ["a.png", "b.png", "--out=-x", "--lr_g", "1e-5", "--overwrite", "--ray", "--checkpoint_every", "0"]
    args, given = parser.parse_given(argv)
    words = parser.to_words(args, given)
    assert parser.parse_given(words) == (args, given)
    assert words[:4] == ("--input_name", "a.png", "b.png", "--out=-x")


def test_the_next_command_can_name_a_picture_with_a_dash() -> None:
    run = config.parse(config.parser("test", ["train"]), ["--input_name=-x.png", "--not_cuda"]).run
    assert run.naming_flags() == "--input_name=-x.png"


def test_the_next_command_names_the_model() -> None:
    run = parse("--alpha", "2", "--niter", "5", "--out", "my folder")
    assert run.naming_flags() == "--input_name x.png --alpha 2.0 --out 'my folder'"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--niter 0", "--niter: must be at least 1, not 0"),
        ("--niter 1" + 400 * "0", "--niter: must be at least 1 and at most 1000000"),
        ("--niter 1000000000", "--niter: must be at least 1 and at most 1000000, not 1000000000"),
        ("--Gsteps 1000000000", "--Gsteps: must be at least 1 and at most 100, not 1000000000"),
        ("--Dsteps 1000000000", "--Dsteps: must be at least 1 and at most 100"),
        ("--num_layer 1000000000", "--num_layer: must be at least 2 and at most 100"),
        ("--nfc 1000000000", "--nfc: must be at least 1 and at most 16384"),
        ("--min_nfc 1000000000", "--min_nfc: must be at least 1 and at most 16384"),
        ("--ker_size 999999999", "--ker_size: must be at least 1 and at most 99"),
        ("--device cpu:1", "must be cpu, cuda or cuda:<n>, not cpu:1"),
        ("--niter two", "--niter: 'two' is not a whole number"),
        ("--scale_factor 1.2", "--scale_factor: must be above 0 and below 1, not 1.2"),
        ("--scale_factor 1", "must be above 0 and below 1"),
        ("--alpha nan", "--alpha: must be at least 0, not nan"),
        ("--alpha inf", "--alpha: must be at least 0"),
        ("--alpha -1", "--alpha"),
        ("--lr_g 0", "--lr_g: must be above 0, not 0"),
        ("--beta1 1", "--beta1: must be at least 0 and below 1, not 1"),
        ("--ker_size 4", "--ker_size: must be odd, not 4"),
        ("--num_layer 1", "--num_layer: must be at least 2"),
        ("--stride 2", "--stride"),
        ("--padd_size 1", "--padd_size"),
        ("--nc_im 65", "--nc_im"),
        ("--nc_im 1 --nc_z 3", "--nc_z 3 differs from --nc_im 1"),
        ("--manualSeed -1", "--manualSeed"),
        ("--mode paint", "--mode"),
        ("--z_rec new", "--z_rec"),
        ("--unknown 3", "unrecognized arguments: --unknown (all flags:"),
        ("--max-size 3", "--max-size: do you mean --max_size?"),
        ("--maxsize 3", "--maxsize: do you mean --max_size?"),
        ("--seed 3", "--seed: do you mean --manualSeed?"),
        ("--epochs=3", "--epochs: do you mean --niter?"),
        ("--Niter 3", "--Niter: do you mean --niter?"),
        ("y.png", "y.png in addition to --input_name: give all pictures"),
        ("--nite 3", "unrecognized arguments: --nite: do you mean --niter?"),
        ("--device tpu", "must be cpu, cuda or cuda:<n>, not tpu"),
        ("--device cuda:x", "must be cpu, cuda or cuda:<n>, not cuda:x"),
        ("--device cuda", "contradict each other"),
    ],
)
def test_bad_flags_get_one_line(capsys: pytest.CaptureFixture[str], flags: str, words: str) -> None:
    assert words in refusal(capsys, *flags.split())


@pytest.mark.parametrize("flag", ["--out", "--input_name", "--niter", "--netD"])
def test_two_dashes_are_no_value(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"argument {flag}: -- is not a value" in refusal(capsys, f"{flag}=--")


def choose(*flags: str) -> torch.device:
    with printing_notes():
        return config.parse(config.parser("test", ["train"]), ["--input_name", "x.png", *flags]).device


def test_without_cuda_the_cpu_is_chosen_with_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose() == torch.device("cpu")
    assert capsys.readouterr().out == "no CUDA device found: running on the CPU\n"
    assert choose("--device", "cpu") == torch.device("cpu")
    for device in ("cuda", "cuda:1"):
        with pytest.raises(ValueError, match="0 CUDA devices"):
            choose("--device", device)


def test_with_cuda_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice only: the generator of a device that is not there can't be made."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(engines, "describe_unsupported", lambda device: None)
    assert engines.choose_device(None, not_cuda=False) == torch.device("cuda")
    assert engines.choose_device(torch.device("cuda:1"), not_cuda=False) == torch.device("cuda:1")
    assert engines.choose_device(None, not_cuda=True) == torch.device("cpu")
    with pytest.raises(ValueError, match="2 CUDA devices"):
        engines.choose_device(torch.device("cuda:2"), not_cuda=False)
