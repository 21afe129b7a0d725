"""Links at every place that a command writes to: what they lead to stays as it is.

Each command runs once; what it has changed in the output folder are its places. Then a link out of the folder stands at
each of them, one after the other. ``make test`` tries the folders of the quick commands, ``make test-all`` all.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import analogy
import editing
import harmonization
import inpaint
import random_samples
import retarget
import translate_study
import translate_test
import translate_train
from Pix2Pix.terminal import COMMANDS
from SIFID import sifid_score
from SinGAN import __main__ as singan
from SinGAN.storage.layout import work_folder
from SinGAN.tasks import tasks
from SinGAN.terminal.script import script
from tests.cuts import forked
from tests.runs.test_every_operation import CASES as OPERATIONS
from tests.runs.test_every_operation import TRAIN, Call, Case, copied, run, workspace_at
from tests.translation.tiny import NETS, data_set
from tests.workspace import MODEL, Workspace

SIZES = "random_samples_arbitrary_sizes"
USE = "USE --not_cuda --manualSeed 1"
PAIRS = f"--dataroot IN/pairs --out OUT --not_cuda --manualSeed 1 {' '.join(NETS)} --n_epochs 1 --n_epochs_decay 0"
TEST = "--name pairs --out OUT --not_cuda --manualSeed 1"
TRANSLATE: Call = translate_train.main, PAIRS
MADE = " ".join(f"--{path} OUT/RandomSamples/x/gen_start_scale=0" for path in ("path2real", "path2fake"))


@script
def use_the_studio(words: Sequence[str]) -> None:
    """Do what the page does with an upload, with results, and with the pictures of a user."""
    from SinGAN.pictures import images
    from SinGAN.studio.album import Album
    from SinGAN.studio.history import History, Run
    from SinGAN.studio.workspace import Workspace as Studio

    studio = Studio(Path(words[0]), Path(words[1]))
    history = History(studio.users)
    chosen = studio.take(Path(words[1]) / "x.png")
    levels = images.read_levels(studio.view(chosen))
    begun = Run(
        id="run", tool="tile", title="Tile", picture=str(chosen.file), picture_title="x", made_by="instant", seed=1
    )
    run = history.add("me", begun, levels, 1.0)
    history.add_file("me", run, b"GIF89a", ".gif", levels, 1.0)
    Album(studio, history).add("me", [chosen])


TRAINED = f"OUT/TrainedModels/x/{MODEL}"
CASES: dict[str, dict[str, Case]] = {
    "train": {name: OPERATIONS[name] for name in ("train", "overwrite")},
    "sample": {
        "samples": OPERATIONS["samples"],
        "sizes": Case((random_samples.main, f"{USE} --mode {SIZES} --size 30x20 --num_samples 2"), (TRAIN,)),
    },
    "animate": {"animation": OPERATIONS["animation"]},
    "super-resolve": {"SR": OPERATIONS["SR"]},
    "paint": {"paint": OPERATIONS["paint"]},
    "edit": {"edit": Case((editing.main, f"{USE} --ref_dir IN --ref_name edit.png --method instant"))},
    "harmonize": {"harmonize": Case((harmonization.main, f"{USE} --ref_dir IN --ref_name edit.png --method instant"))},
    "inpaint": {"inpaint": Case((inpaint.main, f"{USE} --mask IN/edit_mask.png"))},
    "analogy": {"analogy": Case((analogy.main, f"{USE} --ref_dir IN --ref_name edit.png"))},
    "retarget": {"retarget": Case((retarget.main, f"{USE} --scale_h 1.3"))},
    "tile": {"tile": OPERATIONS["tile"]},
    "outpaint": {"outpaint": OPERATIONS["outpaint"]},
    "evaluate": {"evaluate": OPERATIONS["evaluate"]},
    "study": {"study": Case(OPERATIONS["study"].command), "study again": OPERATIONS["study"]},
    "sifid": {"sifid": Case((sifid_score.main, f"{MADE} --out OUT --weights IN/weights.pth"), (TRAIN,))},
    "export": {"export": Case((singan.main, f"export {TRAINED} --to torchscript --file OUT/x.pt"), (TRAIN,))},
    "studio": {"studio": Case((use_the_studio, "OUT IN"))},
    "translate train": {
        "pairs": Case(TRANSLATE),
        "pairs anew": Case((translate_train.main, f"{PAIRS} --lr 0.001 --overwrite"), (TRANSLATE,)),
    },
    "translate test": {
        "test": Case((translate_test.main, f"--dataroot IN/pairs {TEST}"), (TRANSLATE,)),
        "single": Case((translate_test.main, f"--single IN/pairs/test {TEST} --results_dir OUT"), (TRANSLATE,)),
    },
    "translate study": {"study of pairs": Case((translate_study.main, f"{PAIRS} --vary ngf=4 --num_test 1"))},
    "translate draw": {},  # writes nothing
}  # fmt: skip
"""The commands, with some of their uses."""
ALL = {name: case for cases in CASES.values() for name, case in cases.items()}
QUICK = {"inpaint", "retarget", "studio", "test", "samples"}
SLOWEST = {"study", "study again", "study of pairs"}  # whose trainings are processes

Prepared = Callable[[str], tuple[Workspace, list[Path]]]


def test_every_command_has_a_case() -> None:
    commands = {*tasks(), *(f"translate {name}" for name in COMMANDS)} - {"translate"}
    assert CASES.keys() == commands


def files(folder: Path) -> dict[str, bytes]:
    """The files in ``folder``, which may be a file itself, with their contents."""
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(before: Path, after: Path) -> Iterator[Path]:
    """The files and folders that are other ones in ``after`` than in ``before``, from the outermost, relative to it."""
    for path in sorted(after.rglob("*")):
        place = path.relative_to(after)
        other = before / place
        if path.is_dir():
            if any(True for _ in changed(other, path)) or not other.exists():
                yield place
        elif not other.exists() or other.read_bytes() != path.read_bytes():
            yield place


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """By a case's name: the workspace before its command, and the places that the command changes."""
    home = tmp_path_factory.mktemp("places")

    @cache
    def prepare(name: str) -> tuple[Workspace, list[Path]]:
        case, before = ALL[name], workspace_at(home / name / "before")
        data_set(before.inputs / "pairs")
        for call in case.before:
            assert status_of(call, before) == 0, call
        after = copied(before, home / name / "after")
        assert status_of(case.command, after) == 0
        return before, list(changed(before.out, after.out))

    return prepare


def status_of(call: Call, workspace: Workspace) -> int:
    """The exit status of ``call`` in a process of its own."""
    _, status = os.waitpid(forked(lambda: run(call, workspace)), 0)
    return os.waitstatus_to_exitcode(status)


def check(name: str, place: Path, prepared: Prepared, home: Path) -> None:
    """Put a link to what was at ``place``, elsewhere, and run the command of the case ``name``."""
    before, _ = prepared(name)
    workspace, elsewhere = copied(before, home / "work"), home / "elsewhere"
    linked = workspace.out / place
    linked.parent.mkdir(parents=True, exist_ok=True)
    if linked.exists():
        linked.rename(elsewhere)
    elif is_file(name, place, prepared):
        elsewhere.write_text("precious")
    else:
        elsewhere.mkdir()
    if elsewhere.is_dir():
        (elsewhere / "precious.txt").write_text("precious")
    linked.symlink_to(elsewhere)
    expected = files(elsewhere)
    status = status_of(ALL[name].command, workspace)
    assert status in (0, 2), f"{name}, a link at {place}: {status}"
    assert files(elsewhere) == expected, f"{name}, a link at {place}: {expected.keys() ^ files(elsewhere).keys()}"
    shutil.rmtree(home)


def is_file(name: str, place: Path, prepared: Prepared) -> bool:
    """Whether the command of the case ``name`` leaves a file at ``place``."""
    return (prepared(name)[0].inputs.parent.with_name("after") / "out" / place).is_file()


def links(name: str, prepared: Prepared, with_files: bool) -> Iterator[Path]:
    """The places to try: the folders of the case ``name``, those in which trainings work, and files."""
    for place in prepared(name)[1]:
        if not is_file(name, place, prepared):
            yield place
            yield work_folder(place)
        elif with_files:
            yield place


@pytest.mark.parametrize("name", sorted(QUICK))
def test_a_link_at_a_folder_is_not_followed(name: str, prepared: Prepared, tmp_path: Path) -> None:
    places = list(links(name, prepared, with_files=False))
    assert len(places) >= 4
    for index, place in enumerate(places):
        check(name, place, prepared, tmp_path / str(index))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_link_at_any_place_is_not_followed(name: str, prepared: Prepared, tmp_path: Path) -> None:
    places, failures = list(links(name, prepared, with_files=name not in SLOWEST)), []
    for index, place in enumerate(places):
        try:
            check(name, place, prepared, tmp_path / str(index))
        except AssertionError as error:
            failures.append(str(error).splitlines()[0])
    print(f"{name}: links at {len(places)} places, {len(failures)} were followed")
    assert not failures
