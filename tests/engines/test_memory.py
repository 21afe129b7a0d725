"""The estimate of the memory that an iteration takes, beside what its tensors take."""

from typing import Any

import pytest
import torch

from benchmarks.setting import Setting, StageSetting, settings, stages
from SinGAN.engines.engine import EAGER
from SinGAN.options.growing import CONCURRENT
from SinGAN.options.model import ModelOptions
from tests.cases import mostly_slow
from tests.engines.test_recompute import Memory

CPU, SIZE = torch.device("cpu"), 160  # smaller images consist of margins
CASES: dict[str, dict[str, Any]] = {
    "the default": {},
    "a conditional critic": {"netD": "conditional"},
    "concurrent": {"train_mode": CONCURRENT},
    "concurrent, one block": {"train_mode": CONCURRENT, "train_depth": 1},
    "concurrent, all blocks": {"train_mode": CONCURRENT, "train_depth": 6},
    "concurrent, BatchNorm": {"train_mode": CONCURRENT, "batch_norm": True},
}


@pytest.mark.parametrize("case", mostly_slow(CASES, {"the default", "concurrent"}))
def test_it_is_a_little_more_than_what_an_iteration_takes(case: str) -> None:
    options = ModelOptions(nfc=16, min_nfc=16, **CASES[case])
    done = options.complete()
    finest: Setting | StageSetting
    if options.train_mode == CONCURRENT:
        *_, finest = stages(SIZE, CPU, done.training, asked=options)
    else:
        *_, finest = settings(SIZE, CPU, done.training, nets=done.net)
    step = finest.step(EAGER)
    step()  # makes what the optimizers keep
    with Memory() as memory:
        step()
    estimated = EAGER.bytes_needed(finest.scale_setting)
    assert memory.peak <= estimated < 1.5 * memory.peak, (memory.peak, estimated)
