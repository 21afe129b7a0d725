"""Files and folders are written whole or not at all."""

import os
from pathlib import Path

import pytest
import torch

from SinGAN.saved_models.manifest import Manifest
from SinGAN.storage import files, tensors
from SinGAN.storage.files import files_into, replace_folder, whole_file
from SinGAN.storage.locks import is_abandoned
from SinGAN.storage.recovery import whole_folder


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a" / "b.txt") as draft:
        draft.write_text("new")
        assert not (tmp_path / "a" / "b.txt").exists()
    assert everything(tmp_path) == ["a", "a/b.txt"]


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("old")
    with pytest.raises(OSError, match="full"), whole_file(tmp_path / "b.txt") as draft:
        draft.write_text("half")
        raise OSError("disk full")
    assert everything(tmp_path) == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "old"


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").touch()
    with whole_folder(tmp_path / "f") as draft:
        (draft / "new").touch()
        assert (tmp_path / "f" / "old").exists()
    assert everything(tmp_path) == ["f", "f/new"]


def test_a_failed_folder_leaves_nothing_new(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "a" / "b" / "f") as draft:
        (draft / "half").touch()
        raise KeyboardInterrupt
    assert everything(tmp_path) == []


def test_a_failed_folder_keeps_what_stood_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="no"), whole_folder(tmp_path / "a" / "b" / "f"):
        raise ValueError("no")
    assert everything(tmp_path) == ["a"]


def test_files_join_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").write_text("old")
    with files_into(tmp_path / "f") as draft:
        (draft / "new").touch()
    assert everything(tmp_path) == ["f", "f/new", "f/old"]
    with pytest.raises(OSError, match="full"), files_into(tmp_path / "f") as draft:
        (draft / "old").write_text("half")
        raise OSError("disk full")
    assert everything(tmp_path) == ["f", "f/new", "f/old"]
    assert (tmp_path / "f" / "old").read_text() == "old"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(FileExistsError, match="in the way"), whole_folder(tmp_path / "f"):
        pass
    assert (tmp_path / "f").read_text() == "mine"


def test_replacing_nothing_renames(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    replace_folder(tmp_path / "new", tmp_path / "place")
    assert everything(tmp_path) == ["place"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link", "missing"):
        assert files.check_regular(tmp_path / name) == tmp_path / name
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(ValueError, match="is not a regular file: replace it with one"):
            files.check_regular(path)
    with pytest.raises(ValueError, match="is not a regular file"):
        tensors.load(tmp_path / "pipe", torch.device("cpu"))
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(ValueError, match="is not a regular file"):
        Manifest.read(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="an open file can't be removed")
def test_an_abandoned_draft_is_locked_while_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else another thread could begin to write to it after the check."""
    (tmp_path / f".a.{'0' * 16}.tmp").touch()
    removed, remove = list[bool](), files.remove

    def checked(path: Path) -> None:
        removed.append(is_abandoned(path))
        remove(path)

    monkeypatch.setattr(files, "remove", checked)
    files.clear_drafts(tmp_path)
    assert removed == [False]
    assert not any(tmp_path.iterdir())
