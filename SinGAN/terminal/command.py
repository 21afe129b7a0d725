"""Run a task: parse its flags, run it for each picture, write its results and print what was done."""

from collections.abc import Sequence

from SinGAN.engines.engine import use_precision
from SinGAN.runs.events import NOBODY
from SinGAN.runs.results import write_results
from SinGAN.storage import layout
from SinGAN.tasks.task import Call, Task
from SinGAN.terminal.flags import make_parser, read_options
from SinGAN.terminal.messages import say
from SinGAN.terminal.parse import parse
from SinGAN.terminal.script import script
from SinGAN.terminal.several import check_links, run_several
from SinGAN.terminal.watchers import command_line, watcher


def run(task: Task, argv: Sequence[str] | None = None) -> None:
    """Run ``task`` with the flags ``argv``, those of the process by default; errors are one line and a status."""
    script(lambda given: _run(task, given), **task.flags)(argv)


def _run(task: Task, argv: Sequence[str]) -> None:
    asked = parse(make_parser(task.name), argv)
    options = read_options(task.options or type(None), asked.args)
    if len(asked.runs) > 1 or asked.run.settings.ray:
        raise SystemExit(run_several(asked, task.name, lambda run: task.is_done(Call(run, options, NOBODY))))
    check_links(asked.run, task.name)
    with use_precision(asked.run.settings.precision, asked.run.device):
        write(task, Call(asked.run, options, watcher(), command_line))


def write(task: Task, call: Call[object]) -> None:
    """Write the results of ``task``, each in its folder: those that it does not write itself."""
    for results in task.results_of(call):
        folder = layout.results(call.run.out, task.folders[0], call.run.name, results.title, call.source.label)
        pictures = results.compute_all()
        write_results(folder, results.firsts, pictures, results.extras, call.source.layers)
        usage = call.source.describe_usage([*pictures])
        last = f"{results.words or task.results}: {folder}"
        lines = [*results.notes, *usage, f"random seed: {call.run.seed}", last]
        say(*filter(None, lines))
