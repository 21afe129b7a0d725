"""What a training tells, and to whom."""

import json

import pytest

from SinGAN.kinds.singan import HEADLINES
from SinGAN.planning import PyramidConfig, plan_scales
from SinGAN.runs.events import Message, Progress, Watcher, Watchers
from SinGAN.runs.pictures import plan_units
from SinGAN.runs.progress import Estimate
from SinGAN.terminal.watchers import REPORTS, ParentProcess, Terminal, command_line, interpreter, watcher
from tests.workspace import Capture

PLAN = plan_scales(60, 80, PyramidConfig(max_size=80))
LOSSES = {"D_total": 0.5, "G_adversarial": -0.25, "reconstruction": 0.125}


@pytest.fixture
def progress() -> Progress:
    costs, scales = [1.0] * len(PLAN.sizes), range(len(PLAN.sizes))
    return Estimate(plan_units(PLAN, 10), costs, scales, headlines=HEADLINES).at(1, 5)


def tell_all(listener: Watcher, progress: Progress) -> None:
    """One event of each kind."""
    listener.note("raise `max_size`")
    listener.iteration(progress, [LOSSES])
    listener.scale_done(progress, LOSSES, {})
    listener.close()


def test_a_parent_reads_what_its_child_says(capsys: Capture, progress: Progress) -> None:
    tell_all(ParentProcess(), progress)
    note, iteration, done = map(Message.decode, capsys.readouterr().out.splitlines())
    assert note == Message("note", text="raise --max_size")
    assert iteration is not None
    assert (iteration.event, iteration.share, iteration.text) == ("iteration", progress.share, "")
    assert iteration.losses == {"critic": 0.5, "generator": -0.25, "reconstruction": 0.125}
    assert iteration.seconds_left == progress.seconds_left
    assert done is not None
    assert done.event == "scale_done"
    assert "scale 1 of 0..5 (40 x 30) done: 10 iterations in" in done.text


@pytest.mark.parametrize(
    "line", ["", "scale 0", '{"singan": ', '{"singan": {"event": "note", "colour": 3}}', "[1]", "{}"]
)
def test_other_lines_are_no_messages(line: str) -> None:
    assert Message.decode(line) is None


def test_a_message_is_one_line_of_json() -> None:
    text = Message("note", text="a\nb é").encode()
    assert "\n" not in text
    assert json.loads(text)["singan"]["text"] == "a\nb é"
    assert Message.decode(text) == Message("note", text="a\nb é")


def test_several_watchers_hear_the_same(capsys: Capture, progress: Progress) -> None:
    tell_all(Terminal(), progress)
    alone = capsys.readouterr().out
    assert "raise --max_size" in alone
    tell_all(Watchers((Terminal(), Watchers(()), Terminal())), progress)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(2 * alone.splitlines())


def test_the_environment_names_the_watching_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(watcher(), Terminal)
    for started, sampler in (
        ("main_train.py", f"{interpreter()} random_samples.py"),
        ("singan train", "singan sample"),
    ):
        monkeypatch.setenv(REPORTS, started)
        assert isinstance(watcher(), ParentProcess)
        assert command_line("sample", "random_samples.py") == sampler
