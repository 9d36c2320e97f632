"""The command's root: its subcommands, and the one place where errors become sentences."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from cli import bulk, doctor, evaluate, jobs, probe, serve, upscale, watch, weights
from cli.errors import INTERRUPTED, exit_code_of, sentence_of

app = typer.Typer(
    name="flashvsr",
    help="Enlarge video with FlashVSR: exactly the frames, timing and sound that went in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("upscale")(upscale.upscale)
app.command("evaluate")(evaluate.evaluate)
app.command("probe")(probe.probe)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("submit")(jobs.submit)
app.command("status")(jobs.status)
app.command("wait")(jobs.wait)
app.command("cancel")(jobs.cancel)
app.command("retry")(jobs.retry)
app.command("fetch")(jobs.fetch)
app.command("list")(jobs.list_jobs)
app.add_typer(weights.app, name="weights")
app.add_typer(bulk.app, name="bulk")
app.add_typer(watch.app, name="watch")


def main() -> NoReturn:
    """Run the command line; every failure is one sentence and an exit code, never a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Large pages for torch's CPU tensors: without them half of the time goes into page faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        app(standalone_mode=True)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            print("Interrupted; nothing was left behind.", file=sys.stderr)
        raise
    except Exception as error:
        if os.environ.get("FLASHVSR_TRACEBACK"):
            raise
        print(sentence_of(error), file=sys.stderr)
        sys.exit(exit_code_of(error))
    sys.exit(0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
