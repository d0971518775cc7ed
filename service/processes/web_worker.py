"""The worker of gunicorn that answers requests, in the threads of one process."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flask import json
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from service.problems import MEDIA_TYPE, Problem
from service.processes.pulse import make_beat

HEALTH = "/healthz"
"""Path that is answered however many requests wait for the store."""

DRAIN_LIMIT = 1 << 30
"""Bytes of an unread body that are read at most."""

DRAIN_PATIENCE = 10.0
"""Seconds for which the rest of an unread body is read."""

# Bytes of an unread body that are read at once.
_DRAIN_BLOCK = 1 << 16

# Seconds without a byte after which the rest of a body is not waited for.
_STALLED_AFTER = 2.0

# gunicorn's errors of the protocol -> status and title of the answer.
_PROTOCOL_ERRORS = (
    (errors.LimitRequestLine, 414, "URI Too Long"),
    (errors.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (errors.ExpectationFailed, 417, "Expectation Failed"),
    (errors.UnsupportedTransferCoding, 501, "Not Implemented"),
    (errors.ParseException, 400, "Bad Request"),
)

# Result of `handle` for a request that waits for a slot.
_QUEUED = object()


class _NoSlot(BaseException):
    """No slot is free for a request; not an Exception, which gunicorn would answer."""

    def __init__(self, request: Any):
        self.request = request


class _ParsedRequest:
    """A connection's parser that first returns a request that it has parsed already."""

    def __init__(self, conn: TConn, request: Any):
        self._conn = conn
        self._parser = conn.parser
        self._request = request

    def __next__(self) -> Any:
        self._conn.parser = self._parser
        return self._request


class WebWorker(ThreadWorker):
    """A gthread worker of gunicorn that answers problems rather than HTML pages.

    At most `threads` requests are in the application at once, which may all wait for the store.
    Further ones are queued without a thread, so that others remain for `HEALTH`.
    """

    def init_process(self) -> None:
        """Begin to serve."""
        self._beat = make_beat(self.app.order.pulse)
        self._slots = threading.Semaphore(self.cfg.threads)
        self._slot_holders: set[TConn] = set()
        self._queued_conns: deque[TConn] = deque()
        super().init_process()

    def notify(self) -> None:
        """Report to gunicorn and to the supervisor that the main thread runs."""
        super().notify()
        self._beat()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Create the threads: as many as slots, and as many again to read requests."""
        return ThreadPoolExecutor(max_workers=2 * self.cfg.threads)

    def handle(self, conn: TConn) -> object:
        """Read a request and answer it, or queue it if no slot is free."""
        try:
            return super().handle(conn)
        except _NoSlot as full:
            conn.parser = _ParsedRequest(conn, full.request)
            return _QUEUED
        finally:
            if conn in self._slot_holders:
                self._slot_holders.discard(conn)
                self._slots.release()

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request, and read what its answer left unread of the body.

        Many clients send the whole body before they read: a connection that is closed earlier
        breaks under them, and they never see the answer, such as 413. gunicorn itself reads 64 KiB.

        Returns:
            Whether the connection can be used again.
        """
        if req.path != HEALTH and conn not in self._slot_holders:
            if not self._slots.acquire(blocking=False):
                raise _NoSlot(req)
            self._slot_holders.add(conn)

        keeps_open = super().handle_request(req, conn)
        _drain(req, conn, DRAIN_LIMIT)

        return bool(keeps_open)

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Keep or close a connection whose request was answered; start queued requests."""
        # gunicorn calls this in its main thread, so that the queue needs no lock.
        has_result = not fs.cancelled() and fs.exception() is None
        if has_result and fs.result() is _QUEUED:
            self._queued_conns.append(conn)
        else:
            super().finish_request(conn, fs)

        # In the first case too: the slot may have become free before the request was queued.
        while self._queued_conns and self._slots.acquire(blocking=False):
            next_conn = self._queued_conns.popleft()
            self._slot_holders.add(next_conn)
            self.enqueue_req(next_conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is not valid HTTP, or an error outside the application."""
        status, title = next(
            ((code, name) for kind, code, name in _PROTOCOL_ERRORS if isinstance(exc, kind)),
            (500, ""),
        )
        if status == 500:
            self.log.exception("Error handling a request")
            title = "Internal Server Error"

        detail = (
            "the service failed; see its log for the reason"
            if status == 500
            else " ".join(str(exc).split())[:300] or title
        )
        problem = Problem(status, "protocol" if status < 500 else "internal", title, detail)
        body = json.dumps(problem.to_dict()).encode()
        head = f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client has closed the connection")


def _drain(req: Any, conn: TConn, limit: int) -> None:
    """Read the rest of a request's body, up to a number of bytes and for a bounded time."""
    deadline = time.monotonic() + DRAIN_PATIENCE
    previous_timeout = conn.sock.gettimeout()
    try:
        conn.sock.settimeout(_STALLED_AFTER)

        while limit > 0 and time.monotonic() < deadline:
            # Not the parser's `finish_body`, which copies what it has received for each KiB.
            block = req.body.read(_DRAIN_BLOCK)
            if not block:
                break
            limit -= len(block)

        conn.sock.settimeout(previous_timeout)
    # The answer was sent: the connection of a client that left or stalled is closed.
    except (OSError, errors.ParseException):
        return
