"""The studio: a web page on this machine to paint, edit, train and sample."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from SinGAN.options.option import as_path, get_options
from SinGAN.options.run import RunOptions
from SinGAN.terminal.flags import Parser
from SinGAN.terminal.script import fail, script

HERE = "127.0.0.1"


def credentials(text: str) -> tuple[str, str]:
    """Split ``text`` into user and password."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        fail(f"argument --auth: must be user:password, not {text!r}")
    return user, password


def run(argv: Sequence[str]) -> None:
    """Serve the page until Ctrl-C."""
    defaults = get_options(RunOptions)
    parser = Parser((__doc__ or "").strip())
    parser.add_argument("--host", default=HERE, help=f"address that the studio listens at [{HERE}: this machine only]")
    parser.add_argument("--port", type=int, default=7860, help="port [7860]")
    parser.add_argument("--auth", help="user:password that the page asks for")
    parser.add_argument("--out", type=as_path, default=defaults["out"].default, help="folder of all results [Output]")
    parser.add_argument(
        "--input_dir", type=as_path, default=defaults["input_dir"].default, help="folder of the examples [Input/Images]"
    )
    parser.add_argument("--browser", action="store_true", help="open the page in the browser")
    args = parser.parse_args(argv)
    auth = None if args.auth is None else credentials(args.auth)
    if not 0 < args.port < 2**16:
        fail(f"argument --port: must be 1 to 65535, not {args.port}")
    if not args.input_dir.is_dir() and args.input_dir != defaults["input_dir"].default:  # that one may be missing
        fail(f"argument --input_dir: no folder {args.input_dir}")
    if importlib.util.find_spec("gradio") is None:
        fail("the studio needs the package gradio: pip install '.[studio]', or pip install gradio")
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", DO_NOT_TRACK="1")
    with tempfile.TemporaryDirectory(prefix="singan-studio-") as temporary:
        os.environ["GRADIO_TEMP_DIR"] = temporary  # files of other programs are not served
        from SinGAN.studio.page import serve  # slow: -h and typos must not wait for it
        from SinGAN.studio.shared import WORKING

        if args.host != HERE:
            guard = "" if auth else ", and --auth asks for no password"
            print(f"warning: everybody who can reach {args.host} can use this page{guard}", flush=True)
        serve(args.out, args.input_dir, Path(temporary), args.host, args.port, auth, args.browser)
    if WORKING:  # nobody waits for these pictures any more, and Python would abort in the middle of PyTorch
        sys.stdout.flush()
        os._exit(0)


main = script(run)
