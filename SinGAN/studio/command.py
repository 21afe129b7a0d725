"""The studio: a web page on this machine to paint, edit, train and sample."""

import getpass
import importlib.util
import os
import sys
from collections.abc import Sequence

from SinGAN.options.option import as_path, get_options
from SinGAN.options.run import RunOptions
from SinGAN.terminal.flags import Parser
from SinGAN.terminal.messages import fail
from SinGAN.terminal.script import script

HERE = "127.0.0.1"
AUTH = "SINGAN_STUDIO_AUTH"  # environment variable with user:password


def credentials(text: str) -> tuple[str, str]:
    """Split ``text`` into user and password; the terminal asks for what is missing."""
    user, colon, password = text.partition(":")
    if not colon and sys.stdin is not None and sys.stdin.isatty():
        user = user or input("user: ")
        password = getpass.getpass(f"password of {user}: ")
    if not (user and password):
        fail(f"argument --auth: must be user:password (or user, if a terminal can ask for the password; or set {AUTH})")
    return user, password


def run(argv: Sequence[str]) -> None:
    """Serve the page until Ctrl-C."""
    defaults = get_options(RunOptions)
    parser = Parser((__doc__ or "").strip())
    parser.add_argument("--host", default=HERE, help=f"address that the studio listens at [{HERE}: this machine only]")
    parser.add_argument("--port", type=int, default=7860, help="port [7860]")
    parser.add_argument(
        "--auth", nargs="?", const="", default=os.environ.pop(AUTH, None), metavar="USER:PASSWORD",
        help="user and password that the page asks for. Other users of this machine can read a password that is given "
        f"here: leave it out, and the terminal asks for it, or set the environment variable {AUTH} instead",
    )  # fmt: skip
    parser.add_argument(
        "--allowed_hosts", nargs="+", default=[], metavar="NAME",
        help="further names of this server: those of a reverse proxy [this machine's names]",
    )  # fmt: skip
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
    for name in args.allowed_hosts:
        if not name or any(mark in name for mark in "/@ "):
            fail(f"argument --allowed_hosts: must be host names like studio.example, not {name!r}")
    if importlib.util.find_spec("gradio") is None:
        fail("the studio needs the package gradio: pip install '.[studio]', or pip install gradio")
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", SINGAN_OFFLINE="1")
    from SinGAN.studio.server import temporary_folder  # slow: -h and typos must not wait for it

    with temporary_folder() as temporary:
        os.environ["GRADIO_TEMP_DIR"] = str(temporary)  # files of other programs are not served
        from SinGAN.studio.page import serve
        from SinGAN.studio.work import WORKING

        if args.host != HERE:
            guard = "" if auth else ", and --auth asks for no password"
            print(f"warning: everybody who can reach {args.host} can use this page{guard}", flush=True)
        serve(args.out, args.input_dir, temporary, args.host, args.port, auth, args.browser, args.allowed_hosts)
    if WORKING:  # nobody waits for these pictures any more, and Python would abort in the middle of PyTorch
        sys.stdout.flush()
        os._exit(0)


main = script(run)
