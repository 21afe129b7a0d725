"""Files that were changed since they were written: each change is noticed, in one line, or harmless.

``make test`` tries some, ``make test-all`` 5,000 of each kind of file.
"""

import contextlib
import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from SinGAN.losses.adversaries import Adversaries
from SinGAN.losses.states import capture_state, restore
from SinGAN.losses.terms import loss_names
from SinGAN.losses.train_config import TrainConfig
from SinGAN.runs.recorder import Recorder
from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage import checkpoints
from SinGAN.storage.hashes import digest
from SinGAN.training import start_nets
from tests.conftest import TINY_NET
from tests.workspace import Workspace, load_model

CPU = torch.device("cpu")
NAMES = loss_names(TrainConfig())

FOREIGN: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "text": lambda: "text",
    "huge number": lambda: 10**400,
    "negative": lambda: -1,
    "list": lambda: [1, [2.0, "x"]],
    "deep": lambda: json.loads("[" * 60 + "]" * 60),
    "dict": lambda: {"a": torch.zeros(2), 3: None},
    "sparse": lambda: torch.eye(3).to_sparse(),
    "csr": lambda: torch.eye(3).to_sparse_csr(),
    "meta": lambda: torch.empty(2, 3, device="meta"),
    "nested": lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    "vast": lambda: torch.zeros(1, 1, 1, 1).expand(10**9, 10**9, 3, 3),
    "wide": lambda: torch.zeros(1).expand(10**6),
    "complex": lambda: torch.zeros(2, 2, dtype=torch.complex64),
    "double": lambda: torch.zeros(1, 3, 12, 16, dtype=torch.float64),
    "whole": lambda: torch.zeros(4, 3, 3, 3, dtype=torch.int64),
    "nan": lambda: torch.full((1, 3, 12, 16), float("nan")),
    "empty": lambda: torch.zeros(0),
    "scalar": lambda: torch.tensor(7.0),
}


def foreign(name: str) -> Any:
    """A value that no file of ours holds at its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls some kinds of tensors prototypes
        return FOREIGN[name]()


def changed_bytes(content: bytes, dice: random.Random) -> bytes:
    """``content`` with flipped bits, cut, or with parts swapped, doubled, zeroed or lost."""
    data, start = bytearray(content), dice.randrange(len(content))
    end = min(len(content), start + dice.choice([1, 4, 64, 1000]))
    kind = dice.choice(["bit", "bit", "bits", "cut", "swap", "double", "zero", "lose", "append"])
    if kind in ("bit", "bits"):
        for _ in range(1 if kind == "bit" else 20):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif kind == "cut":
        del data[start:]
    elif kind == "swap":
        other = dice.randrange(len(data) - (end - start) + 1)
        first, second = data[start:end], data[other : other + end - start]
        data[start:end] = second
        data[other : other + end - start] = first
    elif kind == "double":
        data[start:start] = data[start:end]
    elif kind == "zero":
        data[start:end] = bytes(end - start)
    elif kind == "lose":
        del data[start:end]
    else:
        data += b"more"
    return bytes(data)


def with_foreign(value: Any, dice: random.Random) -> Any:
    """``value`` with one part, on any level, of another kind, missing, or exchanged with its neighbour."""
    if isinstance(value, dict | list | tuple) and value and dice.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, result = dice.choice(keys), dict(value) if isinstance(value, dict) else list(value)
        kind = dice.choice(["inside", "inside", "inside", "lost", "swapped"])
        if kind == "lost":
            del result[key]
        elif kind == "swapped":
            other = dice.choice(keys)
            result[key], result[other] = result[other], result[key]
        else:
            result[key] = with_foreign(result[key], dice)
        return result
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel() and dice.random() < 0.3:
        changed = value.clone()
        changed.view(-1)[dice.randrange(value.numel())] += dice.choice([1e-3, -2.0, float("nan")])
        return changed
    return foreign(dice.choice(sorted(FOREIGN)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = Workspace(tmp_path_factory.mktemp("whole"))
    workspace.train("--max_size", "18")
    return workspace.model()


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was stopped in its second scale, with two checkpoints."""
    workspace, seen, watch = Workspace(tmp_path_factory.mktemp("unfinished")), [0], Recorder.watch

    def counting(self: Recorder, *call: Any) -> None:
        seen[0] += 1
        if seen[0] == 6:
            raise KeyboardInterrupt
        watch(self, *call)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Recorder, "watch", counting)
        workspace.train("--max_size", "18", "--niter", "3", "--checkpoint_every", "0")
    assert len(list(checkpoints.list_files(workspace.model()))) == 2
    return workspace.model()


def content_of(folder: Path) -> str:
    """The digest of the model in ``folder``."""
    manifest, pyramid = load_model(folder, CPU, None)
    scales = [
        [scale.generator.state_dict(), scale.critic.state_dict(), scale.real, scale.z_rec, scale.noise_amp]
        for scale in pyramid.scales
    ]
    return digest([scales, repr(manifest), pyramid.factor, pyramid.margin, pyramid.noise_border])


def change(file: Path, dice: random.Random, others: list[Path]) -> str:
    """Change ``file`` somehow, or put another one in its place; returns how."""
    kind = dice.choice(["bytes", "bytes", "foreign", "other"])
    content = file.read_bytes()
    if kind == "other":
        file.write_bytes(dice.choice(others).read_bytes())
    elif kind == "foreign" and file.suffix == ".pth":
        torch.save(with_foreign(torch.load(file, weights_only=True), dice), file)
    elif kind == "foreign":
        value = json.loads(content)
        key = dice.choice(sorted(value))
        value[key] = dice.choice([None, -1, 1e-300, 1e300, 10**400, "x", [], {}, [[1, 2]], True, [[10**9, 10**9]]])
        file.write_text(json.dumps(value))
    else:
        file.write_bytes(changed_bytes(content, dice))
    return kind if file.read_bytes() != content else "same"


def try_models(count: int, seed: int, whole: Path, tmp_path: Path) -> dict[str, int]:
    dice, expected, seen = random.Random(seed), content_of(whole), dict[str, int]()
    model = Path(shutil.copytree(whole, tmp_path / "model"))
    files = sorted(path for path in model.rglob("*") if path.suffix in (".pth", ".json"))
    originals = {file: file.read_bytes() for file in files}
    for index in range(count):
        file = dice.choice(files)
        how = change(file, dice, files)
        told = ""
        try:
            outcome = "harmless" if content_of(model) == expected else "SILENT"
        except ValueError as error:
            outcome, told = "noticed", str(error)
        assert outcome != "SILENT", f"{index}: {file.name}, {how}"
        assert outcome == "harmless" or (str(model) in told and len(told) < 1000), told
        seen[outcome] = seen.get(outcome, 0) + 1
        file.write_bytes(originals[file])
    return seen


def try_checkpoints(count: int, seed: int, unfinished: Path, tmp_path: Path) -> dict[str, int]:
    dice, seen, training = random.Random(seed), dict[str, int](), Manifest.read(unfinished).digest()
    folder = Path(shutil.copytree(unfinished, tmp_path / "unfinished"))

    def found(lines: list[str]) -> str | None:
        checkpoint = checkpoints.find(folder, 1, CPU, NAMES, training, lines.append)
        return None if checkpoint is None else digest([checkpoints._as_dict(checkpoint)])

    files = list(checkpoints.list_files(folder))
    originals = {file: file.read_bytes() for file in files}
    newest = found([])
    files[0].unlink()
    before = found([])
    files[0].write_bytes(originals[files[0]])
    assert None not in (newest, before)
    assert newest != before
    for index in range(count):
        how = change(files[0], dice, [*files, folder / "Zs.pth", folder / "0" / "netG.pth"])
        lines: list[str] = []
        result = found(lines)
        if result == before and how == "other" and files[0].read_bytes() == originals[files[1]]:
            outcome = "an older one in its place"
        elif result == before:
            outcome = "noticed"
            assert len(lines) == 1, index
            assert str(files[0]) in lines[0]
            assert lines[0].endswith("resuming from the state saved before it")
        else:
            outcome = "harmless"
            assert result == newest, f"{index}: {how}"
        seen[outcome] = seen.get(outcome, 0) + 1
        files[0].write_bytes(originals[files[0]])
    return seen


def test_some_changed_models(whole: Path, tmp_path: Path) -> None:
    seen = try_models(120, 1, whole, tmp_path)
    assert seen["noticed"] > 80


@pytest.mark.slow
def test_some_changed_checkpoints(unfinished: Path, tmp_path: Path) -> None:
    seen = try_checkpoints(120, 1, unfinished, tmp_path)
    assert seen["noticed"] > 80


@pytest.mark.slow
def test_many_changed_models(whole: Path, tmp_path: Path) -> None:
    print(try_models(5000, 2, whole, tmp_path))


@pytest.mark.slow
def test_many_changed_checkpoints(unfinished: Path, tmp_path: Path) -> None:
    print(try_checkpoints(5000, 2, unfinished, tmp_path))


@pytest.mark.slow
def test_foreign_content_under_a_valid_hash_is_a_value_error(whole: Path, unfinished: Path, tmp_path: Path) -> None:
    """As in a model of an older version, which has no hashes, or from someone who makes them anew."""
    dice = random.Random(3)
    model = Path(shutil.copytree(whole, tmp_path / "model"))
    manifest = json.loads((model / "manifest.json").read_text())
    del manifest["checksum"]
    manifest["versions"]["SinGAN"] = "0.2.0"
    (model / "manifest.json").write_text(json.dumps(manifest))
    files = sorted(path for path in model.rglob("*") if path.suffix in (".pth", ".json") and path.name != "hashes.json")
    refused = 0
    for _ in range(120):
        file = dice.choice(files)
        original = file.read_bytes()
        change(file, dice, files)
        try:
            content_of(model)
        except ValueError:
            refused += 1
        file.write_bytes(original)
    assert refused > 60

    values = torch.load(unfinished / checkpoints.NEWEST, weights_only=True)
    training, rng = values.pop("training"), torch.Generator().manual_seed(1)
    del values["sha256"]
    nets = Adversaries.of(*start_nets(load_model(whole, CPU)[1].below(0), TINY_NET, rng), TrainConfig())
    z_rec = values["z_rec"].clone()
    as_new = capture_state(nets, z_rec, rng, 0)
    keys = ("iterations", "z_rec", "rng", "generator", "critic", "generator_optimizer", "curves", "scale")
    for number, name in enumerate(FOREIGN):
        for key in keys[number % 2 :: 2]:
            content = {**values, "training": training, key: foreign(name)}
            try:
                content["sha256"] = digest(content)
            except (RuntimeError, NotImplementedError, TypeError):
                content["sha256"] = ""
            torch.save(content, tmp_path / checkpoints.NEWEST)
            lines: list[str] = []
            checkpoint = checkpoints.find(tmp_path, 1, CPU, NAMES, training, lines.append)
            assert (checkpoint is None) == bool(lines) or key == "scale", (name, key)
            if checkpoint is not None:
                with contextlib.suppress(ValueError):
                    restore(checkpoint.state, nets, rng, z_rec.clone())
                    assert key in ("iterations", "z_rec", "scale", "curves"), (name, key)
                restore(as_new, nets, rng, z_rec)
