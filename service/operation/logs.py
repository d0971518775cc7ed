"""Structured logs: one JSON object a line, with the ids of the request and of the job that it is
about.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import secrets
import time
from pathlib import Path
from typing import Any

from flask import Response, g, has_request_context, request

REQUEST_ID = "X-Request-Id"
_GIVEN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LOG = logging.getLogger("service.access")
_BYTES, _KEPT = 10 << 20, 5


class JSONLines(logging.Formatter):
    """A record as one line: time, level, logger, message, request, job, and what `extra={"fields":
    {...}}` gives.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        value: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context():
            value |= {"request": g.get("request_id"), "job": g.get("job_id")}
        value |= getattr(record, "fields", {})
        if record.exc_info:
            value["error"] = self.formatException(record.exc_info)
        return json.dumps(
            {key: found for key, found in value.items() if found is not None}, default=str
        )


def to_file(folder: Path, process: str) -> logging.Handler:
    """Have all loggers of this process write to `FOLDER/PROCESS.jsonl`, of which a few full ones
    are kept.

    Args:
        folder: made where absent.
        process: such as web.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}.jsonl"
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8"
    )
    handler.setFormatter(JSONLines())
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    # Requests are for the file alone: what a person sees is what went wrong.
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    return handler


def close(handler: logging.Handler) -> None:
    """Let go of what `to_file` gave."""
    for logger in (logging.getLogger(), _LOG):
        logger.removeHandler(handler)
    _LOG.propagate = True
    handler.close()


def begin() -> None:
    """Give the present request an id: the one that it brings, or a new one."""
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
    g.begun = time.monotonic()


def about(job_id: str) -> None:
    """Say which job the present request is about."""
    g.job_id = job_id


def record(answer: Response) -> Response:
    """Log an answer, and tell the request's id in it."""
    answer.headers[REQUEST_ID] = g.request_id
    told = {
        "method": request.method,
        "path": request.path[:500],
        "status": answer.status_code,
        "ms": round(1000 * (time.monotonic() - g.begun), 1),
        "from": request.remote_addr,
        "token": token.name if (token := g.get("token")) is not None else None,
    }
    _LOG.info(
        "%s %s %d", request.method, request.path[:500], answer.status_code, extra={"fields": told}
    )
    return answer
