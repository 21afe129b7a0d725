"""What tests of runs begin with."""

import pytest

from tests.cuts import train
from tests.workspace import Workspace


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("unbroken"))
    train(workspace)
    return workspace
