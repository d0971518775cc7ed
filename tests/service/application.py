"""A real application without an engine, so that nobody runs its jobs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.serving import make_server

from service.app import create_app
from service.context import Service, service_of
from service.settings import Settings


@contextmanager
def serving_application(settings: Settings) -> Iterator[tuple[str, Service]]:
    """Serve an application; yields its URL and its service."""
    app = create_app(settings)
    service = service_of(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}", service
    service.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()
    service.stop()
