"""`python -m worker`: the worker of this machine, the sweeper, or who takes events of buckets.

run      one process for each GPU that is visible, or one on the CPU; this is the default
one      a single worker process, as `run` starts them
sweep    the sweeper; several may run at once
events   takes events of watched prefixes from SQS, and lists what they missed; several may run
parked   prints the messages that were put aside, one JSON object a line
check    exit with 0 where this machine's workers were heard of lately
"""

import argparse
import sys

from jobs.errors import JobsError


def main() -> int:
    """Run a command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default="run", choices=_COMMANDS)
    parser.add_argument("--once", action="store_true", help="sweep: do everything once, then exit")
    arguments = parser.parse_args()
    try:
        return _COMMANDS[arguments.command](arguments)
    except JobsError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(_: argparse.Namespace) -> int:
    from worker.logs import set_up_logging
    from worker.settings import read_worker_settings
    from worker.supervise import supervise

    settings = read_worker_settings()
    set_up_logging(settings.log_format)
    return supervise(settings)


def _one(_: argparse.Namespace) -> int:
    from jobs.settings import read_settings
    from worker.logs import set_up_logging
    from worker.settings import read_worker_settings

    settings, where = read_worker_settings(), read_settings()
    set_up_logging(settings.log_format)
    if where.broker_url is None:
        from worker.poll import poll

        poll(settings, where)
    else:
        from worker.app import listen

        listen(settings, where)
    return 0


def _sweep(arguments: argparse.Namespace) -> int:
    from jobs.settings import read_settings
    from worker.logs import set_up_logging
    from worker.settings import read_sweeper_settings
    from worker.sweep import Sweeper, sweep

    settings, where = read_sweeper_settings(), read_settings()
    set_up_logging(settings.log_format)
    if arguments.once:
        Sweeper.open(settings, where).sweep_once()
    else:
        sweep(settings, where)
    return 0


def _events(_: argparse.Namespace) -> int:
    from jobs.settings import read_settings
    from worker.events import take_events
    from worker.logs import set_up_logging
    from worker.settings import read_event_settings

    settings, where = read_event_settings(), read_settings()
    set_up_logging(settings.log_format)
    take_events(settings, where)
    return 0


def _parked(_: argparse.Namespace) -> int:
    from jobs.settings import read_settings
    from worker.events import parked_lines

    for line in parked_lines(read_settings()):
        sys.stdout.write(f"{line}\n")
    return 0


def _check(_: argparse.Namespace) -> int:
    from worker.settings import read_worker_settings
    from worker.station import are_alive

    return 0 if are_alive(read_worker_settings()) else 1


_COMMANDS = {
    "run": _run, "one": _one, "sweep": _sweep, "events": _events, "parked": _parked,
    "check": _check,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
