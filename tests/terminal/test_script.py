"""How a script ends: one line, and the exit status."""

import pytest
import torch

from SinGAN.terminal.script import script


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("bad\nvalue"), 2, "bad value"),
        (OSError(28, "No space left on device", "a.png"), 2, "a.png can't be written: No space left on device: "),
        (OSError(28, "No space left on device"), 2, "No space left on device: the output or a temporary file"),
        (FileNotFoundError("no model"), 2, "no model"),
        (torch.OutOfMemoryError("CUDA out of memory."), 2, "train with --recompute always"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2, "lower --max_size"),
    ],
)
def test_errors_become_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, words: str
) -> None:
    @script
    def main(argv: object = None) -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == status
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_bugs_keep_their_traceback() -> None:
    @script
    def main(argv: object = None) -> None:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError):
        main()
