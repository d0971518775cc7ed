"""Structured logs: one JSON object per line, with the ids of the request and of its job."""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import secrets
import time
from pathlib import Path

from flask import Response, g, has_request_context, request

from service.jobs import JsonObject

REQUEST_ID = "X-Request-Id"
_VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LOG = logging.getLogger("service.access")

# A full file is renamed; older ones beyond the number of backups are removed.
_MAX_BYTES = 10 << 20
_NUM_BACKUPS = 5


class JSONLines(logging.Formatter):
    """Formats a record as one JSON object.

    Its fields are time, level, logger, message, request, job, and those of
    `extra={"fields": {...}}`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        value: JsonObject = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # Engines and threads of the web process also log, without a request.
        if has_request_context():
            value |= {"request": g.get("request_id"), "job": g.get("job_id")}

        value |= getattr(record, "fields", {})
        if record.exc_info:
            value["error"] = self.formatException(record.exc_info)

        present = {name: field for name, field in value.items() if field is not None}

        return json.dumps(present, default=str)


def to_file(folder: Path, process: str) -> logging.Handler:
    """Have all loggers of this process write to `FOLDER/PROCESS.jsonl`.

    Args:
        folder: Folder of the logs; created if it does not exist.
        process: Name of the process, such as web.

    Returns:
        The handler, for `close`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}.jsonl"
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_MAX_BYTES, backupCount=_NUM_BACKUPS, encoding="utf-8"
    )
    handler.setFormatter(JSONLines())
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)

    # Requests are logged to the file alone: the terminal shows only problems.
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False

    return handler


def close(handler: logging.Handler) -> None:
    """Remove a handler of `to_file`."""
    for logger in (logging.getLogger(), _LOG):
        logger.removeHandler(handler)
    _LOG.propagate = True
    handler.close()


def begin() -> None:
    """Assign an id to the present request: that of its header, or a new one."""
    # A proxy may have assigned an id already, by which its log and this one can be joined.
    requested = request.headers.get(REQUEST_ID, "")
    g.request_id = requested if _VALID_ID.fullmatch(requested) else secrets.token_hex(8)
    g.start = time.monotonic()


def about(job_id: str) -> None:
    """Note the job that the present request concerns."""
    g.job_id = job_id


def record(answer: Response) -> Response:
    """Log an answer, and add the request's id to it."""
    answer.headers[REQUEST_ID] = g.request_id

    # Unset if the request was refused before its sender was identified.
    token = g.get("token")
    fields = {
        "method": request.method,
        "path": request.path[:500],
        "status": answer.status_code,
        "ms": round(1000 * (time.monotonic() - g.start), 1),
        "from": request.remote_addr,
        "token": None if token is None else token.name,
    }
    _LOG.info(
        "%s %s %d", request.method, request.path[:500], answer.status_code, extra={"fields": fields}
    )

    return answer
