"""A worker without a broker: it asks the database for work."""

import signal

from jobs.settings import JobsSettings
from worker.settings import WorkerSettings
from worker.station import Station, on_signals
from worker.tools import Tools


def poll(settings: WorkerSettings, where: JobsSettings) -> None:
    """Run jobs until SIGTERM or SIGINT."""
    tools = Tools.open(settings, where)
    station = Station(tools, leave=tools.stopping.set)
    on_signals(station.stop, signal.SIGTERM, signal.SIGINT)
    station.start()
    while not tools.stopping.is_set():
        if station.run_waiting() == 0:
            tools.stopping.wait(settings.poll_s)
    station.close()
