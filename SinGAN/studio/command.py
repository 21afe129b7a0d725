"""The studio: a web page on this machine where one paints, edits, trains and looks."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from SinGAN.options.option import options_of
from SinGAN.options.run import RunOptions
from SinGAN.terminal.flags import Parser
from SinGAN.terminal.script import fail, script

HERE = "127.0.0.1"


def credentials(text: str) -> tuple[str, str]:
    """The user and the password in ``text``."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        fail(f"argument --auth: must be user:password, not {text!r}")
    return user, password


def run(argv: Sequence[str]) -> None:
    """Serve the page until Ctrl-C."""
    defaults = options_of(RunOptions)
    parser = Parser((__doc__ or "").strip())
    parser.add_argument("--host", default=HERE, help=f"address that it listens at [{HERE}: this machine alone]")
    parser.add_argument("--port", type=int, default=7860, help="port [7860]")
    parser.add_argument("--auth", help="user:password, which everybody who opens the page has to give")
    parser.add_argument("--out", type=Path, default=defaults["out"].default, help="folder of all results [Output]")
    parser.add_argument(
        "--input_dir", type=Path, default=defaults["input_dir"].default, help="folder of the examples [Input/Images]"
    )
    parser.add_argument("--browser", action="store_true", help="open the page in the browser")
    args = parser.parse_args(argv)
    auth = None if args.auth is None else credentials(args.auth)
    if not 0 < args.port < 2**16:
        fail(f"argument --port: must be 1 to 65535, not {args.port}")
    if (
        not args.input_dir.is_dir() and args.input_dir != defaults["input_dir"].default
    ):  # which may be missing elsewhere
        fail(f"argument --input_dir: no folder {args.input_dir}")
    if importlib.util.find_spec("gradio") is None:
        fail("the studio needs the package gradio: pip install '.[studio]', or pip install gradio")
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", DO_NOT_TRACK="1")
    with tempfile.TemporaryDirectory(prefix="singan-studio-") as temporary:
        os.environ["GRADIO_TEMP_DIR"] = temporary  # no other program's files are served
        from SinGAN.studio.server import serve  # only now: -h and a typo take no seconds
        from SinGAN.studio.shared import WORKING

        if args.host != HERE:
            guard = "" if auth else ", and --auth asks for no password"
            print(f"warning: everybody who reaches {args.host} can use this page{guard}", flush=True)
        serve(args.out, args.input_dir, Path(temporary), args.host, args.port, auth, args.browser)
    if WORKING:  # nobody waits for this picture any more, and Python would abort within torch's work
        sys.stdout.flush()
        os._exit(0)


main = script(run)
