"""Studies: which trainings they ask for, and what is made of them."""

import csv
import shlex
from functools import partial
from pathlib import Path

import pytest

import translate_study
import translate_train
from Pix2Pix.study import choose_settings, epochs_for_equal_updates, parse_request
from tests.measures.learned import inception_weights
from tests.translation.tiny import TINY, data_set
from tests.workspace import Capture, refusal


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    return ["--dataroot", str(data_set(tmp_path / "squares")), "--out", str(tmp_path / "out"), *TINY]


def test_settings() -> None:
    assert choose_settings(None, ["lambda_L1=0,10", "ngf=4"]) == [
        {"lambda_L1": "0", "ngf": "4"},
        {"lambda_L1": "10", "ngf": "4"},
    ]
    for study, vary in ((None, []), ("critic", ["ngf=4"]), (None, ["ngf"]), (None, ["ngf=4,,8"])):
        with pytest.raises(ValueError, match="`vary`"):
            choose_settings(study, vary)


def test_switches_can_be_varied(flags: list[str], capsys: Capture) -> None:
    translate_study.main([*flags, "--vary", "no_flip=False,True", "--dry_run"])
    commands = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  singan")]
    assert ["--no_flip " in line for line in commands] == [False, True]


def test_a_model_with_other_options_does_not_count(flags: list[str], capsys: Capture) -> None:
    study = [*flags, "--vary", "lambda_L1=1", "--dry_run"]
    translate_study.main(study)
    _, command = capsys.readouterr().out.splitlines()[-2:]
    translate_train.main([*shlex.split(command)[3:], "--not_cuda"])
    for more, count in (([], 0), (["--ngf", "8"], 1), (["--overwrite"], 1)):
        capsys.readouterr()
        translate_study.main([*study, *more])
        assert f"1 trainings, {count} of them not trained yet" in capsys.readouterr().out


def test_equal_updates(flags: list[str]) -> None:
    asked = parse_request([*flags, "--batch_size", "4"], 1)
    assert asked.steps == 2
    assert epochs_for_equal_updates(asked) == ["--n_epochs=6", "--n_epochs_decay=3"]


def test_what_is_invalid_is_one_line(flags: list[str], capsys: Capture, tmp_path: Path) -> None:
    for more, words in (
        (
            ["--vary", "lambda_L=1"],
            "must be a flag of the model and its values, as lambda_L1=0,10,100, not lambda_L=1: do you mean lambda_L1?",
        ),
        (["--vary", "ngf=4", "--vary", "ngf=8"], "name a flag twice: ngf"),
        (["--vary", "ngf=4,4"], "--vary names a value twice"),
        (["--vary", "no_flip=1"], "must have values of --no_flip, not 1"),
        (["--study", "critic", "--test_phase", "val"], "no pictures of the phase val"),
        ([], "give either a --study, or flags to --vary"),
    ):
        assert words in refusal(capsys, partial(translate_study.main, [*flags, *more]))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_study_of_two_settings(flags: list[str], capsys: Capture, tmp_path: Path) -> None:
    study = [*flags, "--vary", "lambda_L1=1,100", "--num_test", "2"]
    translate_study.main([*study, "--dry_run"])
    assert "2 trainings, 2 of them not trained yet" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    translate_study.main(study)
    folder = tmp_path / "out" / "studies" / "squares" / "lambda_L1=1+100"
    assert {path.name for path in folder.iterdir()} == {
        "trainings", "table.csv", "table.md", "samples.png", "losses.png",
    }  # fmt: skip
    with (folder / "table.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["setting"] for row in rows] == ["lambda_L1=1", "lambda_L1=100"]
    assert all(float(row["L1"]) > 0 and row["updates"] == "18" for row in rows)
    weights = inception_weights(tmp_path / "inception.pth")
    translate_study.main([*study, "--weights", str(weights)])
    out = capsys.readouterr().out
    assert "2 trainings, 0 of them not trained yet" in out
    assert all(name in out for name in ("FID", "KID", "IS"))
