"""What a person sees of a training."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from SinGAN.engines.estimates import scale_costs
from SinGAN.kinds import KINDS
from SinGAN.kinds.singan import HEADLINES
from SinGAN.losses.terms import loss_names
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import NetConfig
from SinGAN.options.growing import CONCURRENT, SEQUENTIAL
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import TRAIN
from SinGAN.planning import PyramidConfig, plan_scales
from SinGAN.runs.pictures import plan_units
from SinGAN.runs.progress import FEWEST, Estimate, duration, peak_memory
from SinGAN.terminal.watchers import Terminal

CPU = torch.device("cpu")
PLAN = plan_scales(250, 188, PyramidConfig())


def estimate_of(niter: int, wanted: Sequence[int], **more: Any) -> Estimate:
    """An estimate for the scales of a picture of 250 x 188 pixels, of ``niter`` iterations each."""
    units = plan_units(PLAN, niter)
    return Estimate(units, scale_costs(PLAN, NetConfig(), CPU), wanted, headlines=HEADLINES, **more)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.monotonic", made)
    return made


def test_costs_grow_with_pixels_and_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    costs = scale_costs(PLAN, NetConfig(), CPU)
    assert costs == sorted(costs)
    assert costs[-1] / costs[0] > 200  # measured: 19 s against 0.06 s an iteration
    faster = scale_costs(PLAN, NetConfig(), CPU, winograd=True)
    assert faster == sorted(faster)
    assert faster[-1] / faster[0] == pytest.approx(8.73 / 0.0717, rel=0.25)  # as measured
    assert 1 < costs[-1] / faster[-1] < 5  # of one unit
    unfit, wider_later = NetConfig(ker_size=5), NetConfig(filters=24, min_filters=24)
    assert scale_costs(PLAN, unfit, CPU, True) == scale_costs(PLAN, unfit, CPU)
    plain, winograd = (scale_costs(PLAN, wider_later, CPU, fast) for fast in (False, True))
    assert [fast < slow for fast, slow in zip(winograd, plain, strict=True)] == [False] * 4 + [True] * 6  # 48 filters


def test_compiled_programs_cost_less() -> None:
    plain, programmed = scale_costs(PLAN, NetConfig(), CPU), scale_costs(PLAN, NetConfig(), CPU, programmed=[8, 9])
    assert programmed[:8] == plain[:8]
    shares = [new / old for new, old in zip(programmed[8:], plain[8:], strict=True)]
    assert shares == pytest.approx([0.79, 0.84], abs=0.05)  # as measured with 64 filters


def test_the_estimate_follows_the_costs(clock: Clock) -> None:
    shown = estimate_of(10, range(10))
    costs = scale_costs(PLAN, NetConfig(), CPU)
    clock.now = costs[0]  # a machine that takes as many seconds as the costs say
    assert shown.seconds_left(0, 1) is None  # one report tells no speed: it may come after the compilation of a program
    clock.now = 10 * costs[0]
    assert shown.seconds_left(0, 10) == pytest.approx(10 * sum(costs[1:]), rel=1e-6)
    clock.now = 10 * sum(costs)
    assert shown.seconds_left(PLAN.stop_scale, 10) == pytest.approx(0, abs=1e-6 * clock.now)


def test_the_estimate_leaves_out_scales_that_are_there(clock: Clock) -> None:
    shown = estimate_of(10, range(8, 10))
    costs = scale_costs(PLAN, NetConfig(), CPU)
    clock.now = 100  # a scale that is done by its first report tells a speed, for want of a better one
    assert shown.seconds_left(8, 10) == pytest.approx(100 * costs[9] / costs[8])


# height, width, mode, threads, and the seconds of an iteration of each scale on an idle CPU (eager, each timed one
# right after another of its scale, medians)
MEASURED = [
    (188, 250, SEQUENTIAL, 2, [0.0717, 0.0882, 0.1159, 0.1549, 0.4311, 0.6228, 0.919, 1.4256, 5.4998, 8.733]),
    (188, 250, CONCURRENT, 2, [0.0493, 0.0703, 0.103, 0.1746, 0.6141, 1.4488]),
    (96, 128, SEQUENTIAL, 2, [0.0538, 0.0671, 0.0846, 0.1171, 0.3153, 0.4798, 0.7258]),
    (96, 128, CONCURRENT, 2, [0.0461, 0.0641, 0.0849, 0.1137, 0.2261, 0.3946]),
    (96, 128, CONCURRENT, 1, [0.0603, 0.0874, 0.1238, 0.1956, 0.4026, 0.7048]),
    (75, 100, SEQUENTIAL, 1, [0.0684, 0.0873, 0.116, 0.1606, 0.5188, 0.8028]),
    (48, 64, SEQUENTIAL, 2, [0.0529, 0.0629, 0.076, 0.0901, 0.2078]),
]


@pytest.mark.parametrize(("height", "width", "mode", "threads", "seconds"), MEASURED)
def test_the_estimate_is_within_a_quarter_of_what_was_measured(
    height: int, width: int, mode: str, threads: int, seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    options = ModelOptions(train_mode=mode, max_size=width).complete()
    plan = KINDS[options.kind].plan(height, width, options, TRAIN)
    costs = scale_costs(plan, options.net, CPU, winograd=True)
    for scale, (cost, second) in enumerate(zip(costs, seconds, strict=True)):
        assert second / cost * sum(costs[scale:]) == pytest.approx(sum(seconds[scale:]), rel=0.25)


LOSSES = dict.fromkeys(loss_names(TrainConfig()), 0.0)


def test_a_pipe_gets_a_line_per_scale(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    estimate, shown = estimate_of(10, range(10)), Terminal()
    shown.iteration(estimate.at(0, 5), [LOSSES])
    clock.now = 500
    last = {**LOSSES, "D_total": 0.5, "G_adversarial": -0.25, "reconstruction": 0.125}
    shown.scale_done(estimate.at(0, 10), last, {})
    out, err = capsys.readouterr()
    assert err == ""
    words = ", scale 0 of 0..9 (26 x 34) done: 10 iterations in 8 min, D 0.500, G -0.250, rec 0.1250"
    assert re.fullmatch(rf"\d+ h \d\d min left{re.escape(words)}\n", out)
    assert out.count("\n") == 1


def test_a_pipe_gets_a_line_a_minute(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    estimate, shown = estimate_of(1000, range(10)), Terminal()
    for second in range(0, 200, 5):
        clock.now = second
        shown.iteration(estimate.at(0, 1 + second), [LOSSES])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(re.match(r"\d+ h \d\d min left, scale 0 of 0..9 \(26 x 34\): \d+ of 1000, D 0", line) for line in lines)
    assert "61 of 1000" in lines[0]


@pytest.mark.parametrize(("columns", "has_losses"), [(60, False), (80, False), (110, True)])
def test_the_time_left_is_seen_in_every_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock, columns: int, has_losses: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((columns, 24)))
    estimate, shown = estimate_of(10, range(10)), Terminal()
    clock.now = 1
    shown.iteration(estimate.at(1, 5), [LOSSES])
    clock.now = 2
    shown.iteration(estimate.at(1, 6), [LOSSES])
    shown.close()
    last = capsys.readouterr().err.split("\r")[-1]
    assert re.match(r"(\d+ h )?\d+ min left, scale 1 of 0..9 \(32 x 42\) ", last)
    assert ("rec 0.0000" in last) == has_losses


def test_the_estimate_follows_the_recent_speed(clock: Clock) -> None:
    shown = estimate_of(1000, range(10))
    costs = scale_costs(PLAN, NetConfig(), CPU)
    for iterations in range(1, 101):  # a busy machine: ten seconds each
        clock.now = 10.0 * iterations
        shown.at(0, iterations)
    for iterations in range(101, 501):  # now a second each
        clock.now += 1
        left = shown.at(0, iterations).seconds_left
    assert left == pytest.approx(500 + 1000 * sum(costs[1:]) / costs[0], rel=1e-6)


@pytest.mark.parametrize("reports", [2, 3, 20])
def test_a_run_that_stood_still_is_not_taken_for_a_slow_one(clock: Clock, reports: int) -> None:
    shown = estimate_of(1000, range(10))
    shown.seconds_left(0, 1)
    for iteration in range(2, reports + 1):
        clock.now += 1.5
        before = shown.seconds_left(0, iteration)
    clock.now += 3600  # Ctrl-Z, and an hour later fg
    assert shown.seconds_left(0, reports + 1) == pytest.approx(before, rel=0.01)
    clock.now += 1.5
    assert shown.seconds_left(0, reports + 2) == pytest.approx(before, rel=0.01)


def test_a_run_that_becomes_slower_is_seen_after_a_few_reports(clock: Clock) -> None:
    shown = estimate_of(1000, range(10))
    for iteration in range(1, 60):
        clock.now += 1.5
        before = shown.seconds_left(0, iteration)
    for iteration in range(60, 60 + FEWEST):
        clock.now += 30
        slow = shown.seconds_left(0, iteration)
    assert before is not None
    assert slow == pytest.approx(20 * before, rel=0.05)


def test_a_scale_that_is_compiled_estimates_no_speed_before_it_runs(clock: Clock) -> None:
    shown = estimate_of(1000, range(10))
    costs = scale_costs(PLAN, NetConfig(), CPU)
    for iterations in range(1, 1001):
        clock.now += 1.0
        shown.at(0, iterations)
    shown.next_scale()
    clock.now += 90  # compilation, and one iteration
    later = 1000 * sum(costs[2:]) / costs[0]
    assert shown.at(1, 1).seconds_left == pytest.approx(999 * costs[1] / costs[0] + later, rel=0.05)
    for iterations in range(2, 102):
        clock.now += 2.0
        left = shown.at(1, iterations).seconds_left
    assert left == pytest.approx(2 * (899 + 1000 * sum(costs[2:]) / costs[1]), rel=1e-6)


def test_a_run_that_resumes_in_a_compiled_scale_estimates_no_speed_of_the_compilation(clock: Clock) -> None:
    shown = estimate_of(2000, [9], every=range(10), skipped=1000)
    clock.now = 90  # compilation, and one iteration
    assert shown.at(9, 1001).seconds_left is None
    clock.now += 2
    assert shown.at(9, 1002).seconds_left == pytest.approx(2 * 998)


def test_a_resumed_run_shows_what_was_done_before() -> None:
    whole = estimate_of(10, range(10))
    resumed = estimate_of(10, range(6, 10), every=range(10), skipped=4)
    assert resumed.at(6, 4).share == pytest.approx(whole.at(6, 4).share)
    assert resumed.at(9, 10).share == pytest.approx(1)


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    estimate, shown = estimate_of(10, range(10)), Terminal()
    clock.now = 1
    shown.iteration(estimate.at(1, 5), [LOSSES])
    clock.now = 6
    shown.iteration(estimate.at(1, 10), [LOSSES])
    shown.scale_done(estimate.at(1, 10), LOSSES, {})
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"\r(\d+ h )?\d+ min left, scale 1 of 0..9", err)
    assert "4/10" in err  # where it began to watch
    assert "10/10" in err
    assert "left" in err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59, "59 s"), (600, "10 min"), (11100, "3 h 05 min"), (72000, "20 h 00 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_peak_memory_of_this_process() -> None:
    assert 2**26 < peak_memory(CPU) < 2**36
