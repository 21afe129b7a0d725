"""How benchmarks time their work."""

from collections.abc import Callable

import pytest
import torch

from benchmarks import setting
from benchmarks.setting import medians


@pytest.mark.parametrize(("settled", "expected"), [(False, [1.0, 20.0]), (True, [2.0, 20.0])])
def test_a_settled_time_is_that_of_the_second_of_two(
    settled: bool, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, before = torch.device("cuda"), ""

    def seconds(
        work: Callable[[], str], on: torch.device
    ) -> float:  # ends with the device's work, which work() doesn't
        nonlocal before
        assert on == device
        name = work()
        repeated, before = name == before, name
        return {"first": 1.0, "second": 20.0}[name] * (2 if repeated and name == "first" else 1)

    monkeypatch.setattr(setting, "seconds", seconds)
    assert medians([lambda: "first", lambda: "second"], device, 3, settled) == expected
