"""What processes that died leave is set right; what living ones hold stays."""

import errno
import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from SinGAN.storage import files, locks, recovery
from SinGAN.storage.files import files_into, folder_draft, whole_file
from SinGAN.storage.recovery import locked, recover, recover_if_free, whole_folder

Patch = pytest.MonkeyPatch


def filled(folder: Path, name: str = "x") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(name)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def died(work: Callable[[], None]) -> None:
    """Let a process do ``work`` and die in the middle of it: at the first ``os._exit``."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "it did not die where it should"


def test_a_replacement_that_was_cut_off_is_undone_or_finished(tmp_path: Path) -> None:
    folder, token = tmp_path / "m", "0" * 16
    for name in (f".m.{token}.old", "..m.new.1.old", f".mm.{token}.old"):
        filled(tmp_path / name, "older")
    filled(tmp_path / ".m.new", "newer")
    recover(folder)
    assert names(tmp_path) == ["..m.new.1.old", ".m.new", f".mm.{token}.old", "m"]
    filled(tmp_path / f".m.{token}.old", "oldest")
    recover(folder)
    assert names(tmp_path) == ["..m.new.1.old", ".m.new", f".mm.{token}.old", "m"]
    assert names(folder) == ["older"]
    recover(tmp_path / "nowhere" / "m")


@pytest.mark.parametrize("call", range(1, 5))
def test_a_process_that_dies_while_a_folder_is_replaced_loses_nothing(call: int, tmp_path: Path) -> None:
    folder = filled(tmp_path / "f", "old")
    rename, calls = Path.rename, [0]

    def deadly(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == call:
            os._exit(9)
        if calls[0] == call - 1 == 3:
            rename(self, target)
            os._exit(9)
        return rename(self, target)

    def replace() -> None:
        Path.rename = deadly  # type: ignore[method-assign,assignment]  # the test replaces a method
        with whole_folder(folder) as draft:
            (draft / "new").touch()

    died(replace)
    recover_if_free(folder)
    assert names(tmp_path) == ["f"]
    assert names(folder) == (["old"] if call <= 2 else ["new"])


@pytest.mark.parametrize("maker", [whole_file, folder_draft, files_into, whole_folder])
def test_drafts_of_dead_processes_go_and_those_of_living_ones_stay(
    maker: Callable[[Path], "object"], tmp_path: Path
) -> None:
    def die() -> None:
        with maker(tmp_path / "other"):  # type: ignore[attr-defined]  # an attribute that types do not know
            os._exit(9)

    with folder_draft(tmp_path / "mine") as mine, whole_file(tmp_path / "file") as file:
        died(die)
        assert len(names(tmp_path)) == 3
        with whole_file(tmp_path / "third"):
            assert names(tmp_path)[:2] == sorted([mine.name, file.name])
            assert len(names(tmp_path)) == 3
    assert names(tmp_path) == ["file", "third"]


def test_only_our_drafts_go(tmp_path: Path) -> None:
    others = [".tmp", "a.0123456789abcdef.tmp", ".a.xyz.tmp", ".a.tmp", ".a.0123456789abcdef.txt"]
    for name in others:
        (tmp_path / name).touch()
    for name in (".a.0123456789abcdef.tmp", ".a.1.tmp"):  # of this version and of older ones: process 1 does not matter
        (tmp_path / name).touch()
    files.clear_drafts(tmp_path)
    assert names(tmp_path) == sorted(others)


def test_a_draft_that_is_swept_before_it_is_held_is_made_again(tmp_path: Path, monkeypatch: Patch) -> None:
    hold, swept = locks._lock, list[Path]()

    def late(descriptor: int) -> bool:
        if not swept:
            swept.append(next(tmp_path.iterdir()))
            swept[0].unlink()
        return hold(descriptor)

    monkeypatch.setattr(locks, "_lock", late)
    with whole_file(tmp_path / "x") as draft:
        assert draft != swept[0]
        draft.write_text("x")
    assert names(tmp_path) == ["x"]


def test_a_lock_is_never_taken_on_a_file_that_is_gone(tmp_path: Path, monkeypatch: Patch) -> None:
    """The holder goes between our opening of its file and our locking of it, and a third one comes."""
    path, hold, third = tmp_path / ".m.lock", locks._lock, list[int]()

    def late(descriptor: int) -> bool:
        if not third:
            path.unlink()
            third.append(os.open(path, os.O_RDWR | os.O_CREAT))
            fcntl.flock(third[0], fcntl.LOCK_EX)
        return hold(descriptor)

    path.touch()
    monkeypatch.setattr(locks, "_lock", late)
    with pytest.raises(ValueError, match="another process is training"), locked(tmp_path / "m"):
        pass
    os.close(third[0])
    with locked(tmp_path / "m"):
        assert names(tmp_path) == [".m.lock"]
    assert not names(tmp_path)


def test_a_lock_goes_before_it_is_free(tmp_path: Path, monkeypatch: Patch) -> None:
    close, seen = os.close, list[list[str]]()

    def looking(descriptor: int) -> None:
        seen.append(names(tmp_path))
        close(descriptor)

    with locked(tmp_path / "m"):
        monkeypatch.setattr(os, "close", looking)
    assert seen == [[]]


def test_writers_of_one_folder_wait_for_each_other(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(recovery, "PATIENCE", 0.0)
    with pytest.raises(ValueError, match="another process is writing"), whole_folder(tmp_path / "f") as draft:
        (draft / "x").touch()
        held = locked(tmp_path / "f")
        held.__enter__()
    held.__exit__(None, None, None)
    assert not names(tmp_path)


def test_what_another_process_holds_is_not_set_right(tmp_path: Path) -> None:
    with locked(tmp_path / "f"):
        filled(tmp_path / ".f.0000000000000000.old")
        recover_if_free(tmp_path / "f")
        assert not (tmp_path / "f").exists()
    recover_if_free(tmp_path / "f")
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_work_continues(
    code: int, tmp_path: Path, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(code, "no locks")

    locks.warn_once.cache_clear()
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with locked(tmp_path / "m"), whole_file(tmp_path / "x") as draft:
                draft.write_text("x")
            with whole_folder(tmp_path / "f"):
                pass
    assert [record.message for record in caplog.records] == [
        "the file system of the results has no locks: don't train one picture twice at the same time"
    ]
    (tmp_path / ".a.0123456789abcdef.tmp").touch()
    filled(tmp_path / ".a.1123456789abcdef.tmp")
    os.utime(tmp_path / ".a.1123456789abcdef.tmp", (0, 0))
    files.clear_drafts(tmp_path)
    assert names(tmp_path) == [".a.0123456789abcdef.tmp", "f", "x"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_fsync_files_are_written(
    code: int, tmp_path: Path, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_sync(descriptor: int) -> None:
        raise OSError(code, "no fsync")

    locks.warn_once.cache_clear()
    monkeypatch.setattr(os, "fsync", no_sync)
    with caplog.at_level(logging.WARNING):
        for name in ("x", "y"):
            with whole_file(tmp_path / name) as draft:
                draft.write_text(name)
    assert len(caplog.records) == 1
    assert names(tmp_path) == ["x", "y"]


def test_other_errors_of_the_disk_are_reported(tmp_path: Path, monkeypatch: Patch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"), whole_file(tmp_path / "x") as draft:
        draft.write_text("x")
    assert not names(tmp_path)
