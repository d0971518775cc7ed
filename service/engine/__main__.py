"""`python -m service.engine`: the process that owns Ray and runs jobs; the service's supervisor
starts it.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
from pathlib import Path

from service.artifacts import Artifacts
from service.engine.cleanup import MARK, end
from service.engine.engine import Engine, Fault, Inbox
from service.engine.order import BROKEN, REFUSED, Order
from service.engine.ray_process import starter
from service.engine.ray_session import RayFailed, RaySession
from service.engine.worker import Needs
from service.processes.child_process import ordered
from service.store import Store


def main() -> None:
    """Run jobs until told to stop, or until the supervisor or Ray dies."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    order: Order = ordered(lambda: os.kill(os.getpid(), signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _leave(0))
    code = 1
    try:
        code = run(order)
    except Exception:
        logging.getLogger(__name__).exception("the engine has failed")
    finally:
        _leave(code)


def run(order: Order) -> int:
    """Run an engine; gives the exit code."""
    settings = order.settings
    store = Store(settings.store)
    room = Needs(settings.workers, settings.gpus)
    session = RaySession(settings.data, settings.ray_address, room)
    store.engines.announce(order.name, "starting", "Ray is starting")
    try:
        described = session.start()
    except RayFailed as error:
        store.engines.announce(order.name, "fault", str(error))
        return BROKEN if settings.ray_address is None else REFUSED
    store.engines.announce(order.name, "starting", "workers are starting", described)
    inbox: Inbox = queue.SimpleQueue()
    artifacts = Artifacts(settings.artifacts_url)
    make = starter(artifacts.url, 1, lambda worker, report: inbox.put((worker, report)))
    alone = settings.ray_address is None and store.path is not None
    engine = Engine(
        store,
        artifacts,
        order.name,
        inbox,
        make,
        session.room,
        session.fault,
        settings.workers,
        alone,
    )
    signal.signal(signal.SIGTERM, lambda number, frame: engine.stop())
    try:
        engine.run()
    except Fault as fault:
        store.engines.announce(order.name, "fault", str(fault))
        return BROKEN
    return 0


def _leave(code: int) -> None:
    """End at once, with all that was started: Ray's own way to end takes seconds, or a minute where
    it is broken.
    """
    if MARK in os.environ:
        end(Path(os.environ[MARK]), 1.0)
    os._exit(code)


if __name__ == "__main__":
    main()
