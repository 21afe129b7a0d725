"""What tests of runs begin with."""

from pathlib import Path

import pytest

from tests.cuts import train
from tests.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("unbroken"))
    train(workspace)
    return workspace
