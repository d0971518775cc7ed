"""Handing a table to a Pathfit service over HTTP, with the standard library alone."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.error
import urllib.parse
import urllib.request

from profiler.errors import UploadFailed
from tables.lookup_table import LookupTable

TOKEN = "PATHFIT_TOKEN"
"""Environment variable with the service's bearer token, where it asks for one."""


def upload(table: LookupTable, url: str, timeout_s: float = 30.0) -> str:
    """POST a table's JSON to `url`/tables.

    Args:
        table: what is sent.
        url: the service's address, http or https.
        timeout_s: to wait for its answer.

    Returns:
        The address that was posted to.

    Raises:
        UploadFailed: the address is none, the service cannot be reached, or it refuses the table;
            its answer is given.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UploadFailed(f"--upload {url!r} is no address; one reads like http://localhost:8000")
    target = f"{url.rstrip('/')}/tables"
    headers = {"Content-Type": "application/json"}
    if os.environ.get(TOKEN):
        headers["Authorization"] = f"Bearer {os.environ[TOKEN]}"
    request = urllib.request.Request(target, table.to_json().encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return target
    except urllib.error.HTTPError as error:
        with error:
            said = _reason(error.read(2000))
        raise UploadFailed(
            f"{target} refused the table {table.name!r} with {error.code}: {said}"
        ) from error
    except (
        OSError,
        ValueError,
    ) as error:  # URLError is an OSError; a header that holds a line break is a ValueError
        reason = getattr(error, "reason", error)
        raise UploadFailed(f"cannot reach {target}: {reason}") from error


def _reason(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("detail", text))
    return " ".join(text.split())[:300] or "no reason given"
