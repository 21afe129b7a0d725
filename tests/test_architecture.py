"""The packages' imports: they run one way, and never to the scripts' side."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(set((ROOT / "SinGAN").rglob("*.py")) - {ROOT / "SinGAN" / "export.py"})  # that is a script
MEASURES = sorted(
    set((ROOT / "SIFID").glob("*.py")) - {ROOT / "SIFID" / f"{name}.py" for name in ("evaluate", "sifid_score")}
)


def imported(module: Path) -> set[str]:
    """The modules that ``module`` imports; those of the package by their own names."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("SinGAN.") for name in names}


def name_of(module: Path) -> str:
    """The dotted name of a module of the package, within it."""
    return ".".join(module.relative_to(ROOT / "SinGAN").with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("module", [*MODULES, *MEASURES], ids=lambda module: module.stem)
def test_the_packages_know_neither_flags_nor_scripts(module: Path) -> None:
    scripts = {script.stem for script in ROOT.glob("*.py")}
    assert not imported(module) & (scripts | {"argparse", "sklearn", "tests"})


def test_imports_run_one_way() -> None:
    """The modules can be put in an order in which each imports only those before it."""
    own = {name_of(module) for module in MODULES}
    waiting = {name_of(module): imported(module) & own for module in MODULES}
    while waiting:
        ready = {name for name, needs in waiting.items() if not needs & set(waiting)}
        assert ready, f"these import each other: {sorted(waiting)}"
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
