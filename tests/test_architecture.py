"""The map in CONTRIBUTING.md: each room imports what its row allows, and only the terminal prints."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for name in ("SinGAN", "SIFID", "Pix2Pix") for path in (ROOT / name).rglob("*.py"))
STARTERS = {"__init__", "__main__", "SIFID/__init__", "Pix2Pix/__init__", "Pix2Pix/__main__"}
"""Names of commands and of the library's face, imported when they are asked for."""


def rooms() -> dict[str, set[str]]:
    """The map: what each room may import, in the order of the table; of a row's rooms, those before it, too."""
    table: dict[str, set[str]] = {}
    for names, allowed in re.findall(r"^\| (`.*?) \|.*\|(.*)\|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE):
        row = re.findall(r"`(.*?)`", names)
        for index, room in enumerate(row):
            table[room] = {*re.findall(r"`(.*?)`", allowed), *row[:index]}
    return table


def room_of(module: str) -> str:
    """The room of a dotted module name: the part below SinGAN, or below another package with its name."""
    package, *parts = module.split(".")
    name = parts[0] if parts else "__init__"
    return name if package == "SinGAN" else f"{package}/{name}"


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """The modules that ``path`` imports, with the names that it takes from each; not what it does as a script."""
    tree = ast.parse(path.read_text())
    body = [node for node in tree.body if not ast.unparse(node).startswith("if __name__ ==")]
    names = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(path: Path) -> set[str]:
    """The other rooms that ``path`` imports."""
    names = {name for name in imported(path) if name.startswith(("SinGAN.", "SIFID.", "Pix2Pix."))}
    own = room_of(name_of(path))
    return {room_of(name) for name in names} - {own, "__version__", "SIFID/__init__", "Pix2Pix/__init__"}


def test_every_module_is_on_the_map() -> None:
    assert {room_of(name_of(path)) for path in MODULES} - STARTERS == set(rooms())


def test_rooms_import_only_rooms_above_them() -> None:
    order = list(rooms())
    for room, allowed in rooms().items():
        assert all(order.index(other) < order.index(room) for other in allowed), room


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_what_its_room_may(path: Path) -> None:
    room = room_of(name_of(path))
    if room not in STARTERS:
        assert imported_rooms(path) <= rooms().get(room, set())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_package_knows_no_script_and_only_the_terminal_argparse(path: Path) -> None:
    scripts = {script.stem for script in ROOT.glob("*.py")}
    names = {name.split(".")[0] for name in imported(path)}
    assert not names & (scripts | {"sklearn", "tests"})
    assert "argparse" not in names or room_of(name_of(path)) == "terminal"


def test_translation_stands_on_singan_and_never_the_reverse() -> None:
    for path in MODULES:
        if ROOT / "Pix2Pix" not in path.parents:
            assert not any(name.startswith("Pix2Pix") for name in imported(path)), path


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_terminal_prints_and_only_what_it_escapes(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    if room_of(name_of(path)) != "studio":  # whose lines hold no names
        assert len(prints) == (name_of(path) == "SinGAN.terminal.messages")  # in ``say``


def test_nothing_is_patched_in_torch() -> None:
    """No function of PyTorch's is replaced, and no instance's forward: a thread that samples would see it."""
    for path in MODULES:
        text = path.read_text()
        assert not re.search(r"vars\(F\)|__dict__\[\"forward\"\]|sys\.argv\s*=|F\.conv2d\s*=", text), path
