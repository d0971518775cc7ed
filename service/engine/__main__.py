"""`python -m service.engine`: the process that owns Ray and runs jobs.

The service's supervisor starts it.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
from pathlib import Path

from service.artifacts import Artifacts
from service.engine.cleanup import MARK, clean_up
from service.engine.engine import Engine, Fault, Inbox
from service.engine.order import EXIT_RAY_DIED, EXIT_REFUSED, EngineOrder
from service.engine.ray_process import worker_factory
from service.engine.ray_session import ATTEMPTS, RayFailed, RaySession
from service.engine.worker import Needs
from service.operation.scratch import scratch_folder
from service.processes.child_process import read_order
from service.processes.pulse import make_beat
from service.store import Store


def main() -> None:
    """Run jobs until the engine is stopped, or until the supervisor or Ray dies."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    order: EngineOrder = read_order(lambda: os.kill(os.getpid(), signal.SIGTERM))

    # Ctrl-C in a terminal is the supervisor's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Until the engine exists there is nothing to give back, so that a stop may end the process.
    signal.signal(signal.SIGTERM, lambda number, frame: _exit(0))

    code = 1
    try:
        code = run(order)
    except Exception:
        logging.getLogger(__name__).exception("the engine has failed")
    finally:
        _exit(code)


def run(order: EngineOrder) -> int:
    """Run an engine, and return the exit code."""
    settings = order.settings
    store = Store(settings.store, timeouts=settings.timeouts)
    room = Needs(settings.workers, settings.gpus)
    session = RaySession(settings.data, settings.ray_address, room)

    store.engines.announce(order.name, "starting", "Ray is starting")
    try:
        ray = session.start()
    # The reason goes into the store, from which `/readyz` and the supervisor read it.
    except RayFailed as error:
        store.engines.announce(order.name, "fault", str(error))
        return EXIT_RAY_DIED if settings.ray_address is None else EXIT_REFUSED

    store.engines.announce(order.name, "starting", "workers are starting", ray)

    # A SimpleQueue, since the signal handler puts into it: its `put` is reentrant.
    inbox: Inbox = queue.SimpleQueue()
    artifacts = Artifacts(settings.artifacts_url)
    engine = Engine(
        store,
        order.name,
        inbox,
        worker_factory(
            artifacts.url,
            1,
            lambda worker, report: inbox.put((worker, report)),
            is_local=settings.ray_address is None,
        ),
        session.room,
        session.fault,
        settings.workers,
        # Other engines can share a PostgreSQL store, and nodes can join a cluster.
        alone=settings.ray_address is None and store.path is not None,
        beat=make_beat(order.pulse),
        scratch=scratch_folder(settings.data, ATTEMPTS),
    )
    # From here on a stop gives the running jobs back before the process ends.
    signal.signal(signal.SIGTERM, lambda number, frame: engine.stop())
    try:
        engine.run()
    except Fault as fault:
        store.engines.announce(order.name, "fault", str(fault))
        return EXIT_RAY_DIED

    return 0


def _exit(code: int) -> None:
    """End this process and all that it started at once.

    Ray's own way to end takes seconds, and a minute if Ray is broken.
    """
    if MARK in os.environ:
        clean_up(Path(os.environ[MARK]), 1.0)
    os._exit(code)


if __name__ == "__main__":
    main()
