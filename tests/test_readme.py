"""The commands of README and docs, in order, in one folder, as a newcomer types them: none contradicts another."""

import importlib
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from SinGAN.terminal.export import main as export
from tests.workspace import Capture

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("applications", "instant", "training", "many", "measuring", "studies", "library")),
)
ELSEWHERE = (
    "--ray",
    "cuda",
    "photos",
    "~",
    "relief",
    "FOLDER",
    "benchmarks",
)  # they need a cluster, a GPU, other pictures, minutes
QUICK = {
    "study.py": ["--dry_run"],
    "animation.py": ["--num_frames", "2"],
    "SIFID/evaluate.py": ["--num_samples", "3"],
    "main_train.py": ["--num_samples", "5"],
    "random_samples.py": ["--num_samples", "3"],
}
TRAIN = {"main_train.py", "SR.py", "animation.py"}
UNTRAINED = {"retarget.py", "inpaint.py", "outpaint.py", "tile.py", "analogy.py"}


def commands() -> list[list[str]]:
    """The words of each command that starts with python, from all blocks of the pages."""
    text = "\n".join((ROOT / page).read_text() for page in PAGES)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("python ")]
    return [shlex.split(line, comments=True)[1:] for line in lines if not any(mark in line for mark in ELSEWHERE)]


def smaller(words: Sequence[str]) -> list[str]:
    """``words`` with smaller numbers: those that are equal stay equal, others stay different."""
    result = [re.sub(r"^(\d+)x(\d+)$", lambda size: f"{int(size[1]) // 2}x{int(size[2]) // 2}", word) for word in words]
    if words[0] in UNTRAINED or "--method" in words:
        return [*result, "--max_size", "60", "--num_samples", "1"]
    if words[0] == "animation.py" and "dandelions.png" in words:
        return [*result, *QUICK[words[0]]]  # its model comes with the project
    if "harmonization" in result:
        result += ["--min_size", "24"]  # of its recipe: 120
    if "--fine_tune" in result:
        place = result.index("--fine_tune") + 1
        result[place] = str(int(result[place]) // 150)
    for flag, divisor, default in (("--niter", 150, "13"), ("--max_size", 2, "125")):
        if flag in result:
            place = result.index(flag) + 1
            result[place] = str(int(result[place]) // divisor)
        elif words[0] in TRAIN:
            result += [flag, default if words[0] == "main_train.py" else "2" if flag == "--niter" else "48"]
    if words[0] in TRAIN:
        result += ["--nfc", "4", "--min_nfc", "4", "--manualSeed", "1"]
    return [*result, *QUICK.get(words[0], [])]


def main_of(script: str) -> Callable[[Sequence[str]], object]:
    """The function that the script starts."""
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    found: Callable[[Sequence[str]], object] = module.main
    return found


def status(main: Callable[[Sequence[str]], object], words: Sequence[str]) -> object:
    """The exit status of ``main``, which leaves by itself where there are several pictures."""
    try:
        main(words)
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.mark.slow
def test_the_commands_run_in_order_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    shutil.copytree(ROOT / "Input", tmp_path / "Input")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("SIFID.evaluate.sifid_net", lambda dims, file: None)  # these would download
    monkeypatch.setattr("SinGAN.studies.command.sifid_net", lambda dims, file: None)
    ran = set()
    for script, *words in commands():
        if script == "SIFID/sifid_score.py":
            continue  # it needs weights
        if script == "-m":
            words = [word.replace("onnx", "torchscript") for word in words[1:]]
            export(words)
        else:
            code = status(main_of(script), smaller([script, *words])[1:])
            assert code == 0, (script, words, capsys.readouterr().err)
        ran.add(script)
    assert len(ran) >= 9
    out = capsys.readouterr().out
    assert "another model" not in out
    for place in (
        "SR/4/coffee_LR_HR.png",
        "Evaluation/rocket/evaluation.json",
        "Harmonization/galaxies",
        "Editing/rocket",
    ):
        assert (tmp_path / "Output" / place).exists()


def test_a_contradiction_would_be_found() -> None:
    assert smaller(["main_train.py", "--niter", "300"]) != smaller(["main_train.py"])
    assert smaller(["main_train.py", "--max_size", "120"]) != smaller(["main_train.py", "--max_size", "110"])


def test_every_page_is_read_and_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    elsewhere = {"studio.md", "translation.md", "maps.md"}  # run by tests/studio, /translation and /commands/test_maps
    rest = {"differences.md", "performance.md", "security.md"}
    assert pages - {Path(page).name for page in PAGES} == rest | elsewhere


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "Input/README.md", "docs", "docs/api"])
def test_links_lead_somewhere(page: str) -> None:
    place = ROOT / page
    for path in sorted(place.glob("*.md")) if place.is_dir() else [place]:
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            name, _, anchor = link.partition("#")
            if name.startswith("http"):
                continue
            target = path.parent / name if name else path
            assert target.exists(), (path.name, link)
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [
                re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles
            ]
