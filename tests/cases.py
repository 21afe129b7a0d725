"""Tables of cases of which ``make test`` runs a few, and ``make test-all`` all."""

from collections.abc import Collection, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")


def mostly_slow(cases: Iterable[T], quick: Collection[T]) -> list[T | ParameterSet]:
    """``cases`` for ``parametrize``: all are slow but those in ``quick``."""
    found = list(cases)
    assert all(case in found for case in quick), "a quick case that is none"
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in found]
