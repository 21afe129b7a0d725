"""A full disk: every command names the file, what it needs and what is free, and leaves nothing half written."""

import os
import re
import resource
import signal
import sys
from pathlib import Path

import pytest

import analogy
import animation
import editing
import harmonization
import inpaint
import main_train
import outpaint
import paint2image
import random_samples
import retarget
import SR
import study
import tile
import translate_study
from Pix2Pix import commands as translation
from SIFID import evaluate, sifid_score
from SinGAN import __main__ as singan
from SinGAN.storage.files import FullDiskError, files_into, format_size, write_whole
from tests.runs.test_every_operation import Call, run, workspace_at
from tests.translation.tiny import TINY as TINY_NETS
from tests.translation.tiny import data_set
from tests.workspace import MODEL, SIZES, Workspace

LINE = re.compile(
    r".+: error: (.+) can't be written: File too large: it needs .+ or more, and its disk has .+ free: .+"
)
TINY = f"USE --not_cuda {' '.join(SIZES)} --max_size 18 --niter 2 --manualSeed 1"
FREE = "USE --not_cuda --manualSeed 1"  # without training
FROM_EDIT = f"{FREE} --ref_dir IN --ref_name edit.png"
CALLS: dict[str, Call] = {
    "train": (main_train.main, f"{TINY} --num_samples 2"),
    "SR": (SR.main, f"{TINY} --sr_factor 1.3"),
    "animation": (animation.main, f"{TINY} --num_frames 2 --animation_start_scale 0"),
    "samples": (random_samples.main, f"{FREE} --mode random_samples --num_samples 2 --gen_start_scale 1"),
    "samples without training": (random_samples.main, f"{FREE} --mode random_samples --num_samples 2 --method instant"),
    "edit": (editing.main, f"{FROM_EDIT} --method instant"),
    "harmonization": (harmonization.main, f"{FREE} --ref_dir IN --ref_name edit.png --method instant"),
    "paint": (paint2image.main, f"{FROM_EDIT} --method instant"),
    "quantized paint": (paint2image.main, f"{FROM_EDIT} --paint_start_scale 1 --quantization_flag"),
    "inpaint": (inpaint.main, f"{FREE} --mask IN/edit_mask.png"),
    "outpaint": (outpaint.main, f"{FREE} --right 50%"),
    "retarget": (retarget.main, f"{FREE} --scale_h 1.3"),
    "analogy": (analogy.main, FROM_EDIT),
    "tile": (tile.main, FREE),
    "export": (singan.main, f"export OUT/TrainedModels/x/{MODEL} --to torchscript"),
    "evaluate": (evaluate.main, f"{FREE} --num_samples 2 --gen_start_scale 0 --weights IN/weights.pth"),
    "study": (study.main, f"{TINY} --method patches --seeds 1 --num_samples 2 --weights IN/weights.pth"),
    "SIFID": (
        sifid_score.main,
        "--path2real IN/pairs/test --path2fake IN/pairs/test --weights IN/weights.pth --out OUT",
    ),
    "translate train": (translation.main_train, f"--dataroot IN/pairs --name n --out OUT {' '.join(TINY_NETS)}"),
    "translate test": (translation.main_test, "--dataroot IN/pairs --name m --out OUT --not_cuda"),
}
OF_TRAININGS: dict[str, Call] = {
    "study": (study.main, f"{TINY} --vary alpha=1,10 --num_samples 2 --weights IN/weights.pth"),
    "translate study": (
        translate_study.main,
        f"--dataroot IN/pairs --out OUT --vary lambda_L1=10,100 {' '.join(TINY_NETS)}",
    ),
}
UNTRAINED = {"train", "SR", "animation", "translate train"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A picture with an edit, a trained model, and a translation model."""
    workspace = workspace_at(tmp_path_factory.mktemp("home"))
    main_train.main([*TINY.replace("USE", "").split(), *workspace.flags(), "--num_samples", "2"])
    data_set(workspace.inputs / "pairs")
    run((translation.main_train, CALLS["translate train"][1].replace("--name n", "--name m")), workspace)
    return workspace


def cramped(call: Call, workspace: Workspace, room: int) -> tuple[int, str]:
    """Run ``call`` in a child that writes files of at most ``room`` bytes; its exit status and what it printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            sys.stdout = sys.stderr = os.fdopen(writer, "w")
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            run(call, workspace)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as printed:
        text = printed.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", CALLS)
def test_every_command_names_the_file_and_leaves_nothing(name: str, home: Workspace, tmp_path: Path) -> None:
    workspace = home
    if name in UNTRAINED:  # else the model is there, and nothing is written
        workspace = Workspace(tmp_path)
        data_set(workspace.inputs / "pairs")
    before = files(workspace.out)
    status, errors = cramped(CALLS[name], workspace, 100)
    found = LINE.fullmatch(errors.splitlines()[-1])
    assert status == 2, errors
    assert found, errors
    assert found[1].startswith(str(workspace.out)), errors
    assert "/." not in found[1]  # the file as it would be called, not its draft
    assert files(workspace.out) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TRAININGS)
def test_each_training_of_a_study_names_the_file(name: str, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path)
    data_set(workspace.inputs / "pairs")
    status, errors = cramped(OF_TRAININGS[name], workspace, 100)
    assert status == 1, errors
    assert len([line for line in errors.splitlines() if LINE.fullmatch(line)]) == 2, errors
    assert not files(workspace.out)


def test_a_whole_file_tells_its_exact_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems notice only now that the disk is full."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1234}))
    words = "a.bin can't be written: No space left on device: it needs 5.0 MB or more, and its disk has 1.2 KB free"
    with pytest.raises(FullDiskError, match=words):
        write_whole(tmp_path / "deep" / "a.bin", b"x" * 5_000_000)
    with (
        pytest.raises(FullDiskError, match=rf"{tmp_path}/results/a\.bin can't be written"),
        files_into(tmp_path / "results") as draft,
    ):
        write_whole(draft / "a.bin", b"x")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (2_500_000, "2.5 MB"), (7 * 10**12, "7000.0 GB")],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert format_size(size) == words
