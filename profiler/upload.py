"""Upload of a table to a Pathfit service over HTTP, with the standard library alone."""

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
"""Environment variable with the service's bearer token, where it requires one."""


def upload(table: LookupTable, url: str, timeout_s: float = 30.0) -> str:
    """POST a table's JSON to `url`/tables.

    Args:
        table: The table to send.
        url: Address of the service, http or https.
        timeout_s: Seconds to wait for its answer.

    Returns:
        The address of the request.

    Raises:
        UploadFailed: The address is invalid, the service cannot be reached, or it refuses the
            table; the message quotes its answer.
    """
    parsed = urllib.parse.urlsplit(url)
    if parsed.scheme not in ("http", "https") or not parsed.netloc:
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
            reason = _reason(error.read(2000))
        raise UploadFailed(
            f"{target} refused the table {table.name!r} with {error.code}: {reason}"
        ) from error
    # URLError is an OSError; a token with a line break is a ValueError.
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        raise UploadFailed(f"cannot reach {target}: {cause}") from error


def _reason(body: bytes) -> str:
    """Return the detail of a problem in JSON, or else the body's text."""
    text = body.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("detail", text))
    return " ".join(text.split())[:300] or "no reason given"
