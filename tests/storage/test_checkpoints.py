"""Checkpoints: what comes back is what was kept, from this version and from older ones."""

from pathlib import Path

import torch

from SinGAN.storage import checkpoints
from SinGAN.storage.checkpoints import Checkpoint, TrainingState
from SinGAN.storage.hashes import digest

CPU = torch.device("cpu")
NAMES = ("D_total", "G_total")
PARTS = "generator", "critic", "generator_optimizer", "critic_optimizer"
STATE = TrainingState(
    iterations=3,
    rng=torch.Generator().manual_seed(2).get_state(),
    states={
        "z_rec": torch.ones(1, 3, 4, 4),
        "generator": {"w": torch.zeros(2)},
        "critic": {"w": torch.ones(2)},
        "generator_optimizer": {"state": {}, "param_groups": []},
        "critic_optimizer": {"state": {}, "param_groups": []},
    },
)


def kept(scale: int = 1, base: torch.Tensor | None = None) -> Checkpoint:
    return Checkpoint(scale, STATE, NAMES, torch.arange(6.0).reshape(3, 2), base)


def silent(text: str) -> None:
    raise AssertionError(text)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, kept(base=torch.full((2,), 7.0)))
    found = checkpoints.find(tmp_path, 1, CPU, NAMES, None, silent)
    assert found is not None
    assert (found.unit, found.losses, found.state.iterations) == (1, NAMES, 3)
    assert torch.equal(found.curves, kept().curves)
    assert found.base is not None
    assert found.base.tolist() == [7, 7]
    assert torch.equal(found.state.rng, STATE.rng)
    assert torch.equal(found.state.states["critic"]["w"], torch.ones(2))
    assert checkpoints.find(tmp_path, 2, CPU, NAMES, None, silent) is None


def test_the_one_before_stays_until_both_go(tmp_path: Path) -> None:
    for scale in (0, 1, 2):
        checkpoints.save(tmp_path, kept(scale))
    assert [path.name for path in checkpoints.list_files(tmp_path)] == [checkpoints.NEWEST, checkpoints.BEFORE]
    assert checkpoints.find(tmp_path, 1, CPU, NAMES, None, silent) is not None
    assert checkpoints.find(tmp_path, 0, CPU, NAMES, None, silent) is None
    checkpoints.remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_files_of_before_the_names_of_losses_serve(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, kept())
    values = torch.load(tmp_path / checkpoints.NEWEST)
    del values["losses"], values["sha256"]
    torch.save(values, tmp_path / checkpoints.NEWEST)
    found = checkpoints.find(tmp_path, 1, CPU, NAMES, None, silent)
    assert found is not None
    assert found.losses == NAMES


def test_a_checkpoint_with_other_losses_is_not_resumed(tmp_path: Path) -> None:
    lines: list[str] = []
    checkpoints.save(tmp_path, kept())
    assert checkpoints.find(tmp_path, 1, CPU, ("D_total", "texture"), None, lines.append) is None
    assert checkpoints.find(tmp_path, 1, CPU, ("D_total",), None, lines.append) is None
    assert len(lines) == 2
    assert all("is not a checkpoint of a training: resuming from the state saved before it" in line for line in lines)


def test_a_checkpoint_in_the_layout_of_older_versions(tmp_path: Path) -> None:
    """Its four state dicts, z* and the generator's state and the other entries form one dictionary."""
    parts = {name: {"w": torch.full((2,), float(index))} for index, name in enumerate(PARTS)}
    content = {"iterations": 3, "z_rec": torch.ones(1, 3, 4, 4), "rng": STATE.rng, **parts}
    content |= {"scale": 1, "curves": torch.zeros(3, 2), "losses": list(NAMES), "training": "t"}
    torch.save({**content, "sha256": digest(content)}, tmp_path / checkpoints.NEWEST)
    found = checkpoints.find(tmp_path, 1, CPU, NAMES, "t", silent)
    assert found is not None
    assert set(found.state.states) == {"z_rec", *PARTS}
    assert torch.equal(found.state.states["critic_optimizer"]["w"], parts["critic_optimizer"]["w"])
