"""nginx with `deploy/nginx.conf` in front of a real service: TLS, events, bodies, refusals."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import within

ROOT = Path(__file__).resolve().parents[3]
HOST = "nas.example.org"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx: on Debian, apt-get install nginx-light"),
]


@dataclass(frozen=True)
class Proxy:
    """A proxy with a service behind it."""

    plain: int
    encrypted: int
    token: str
    served: Any

    def open(self, timeout: float = 30) -> http.client.HTTPSConnection:
        # The certificate is the test's own.
        return http.client.HTTPSConnection(
            "127.0.0.1",
            self.encrypted,
            timeout=timeout,
            context=ssl._create_unverified_context(),
        )

    def headers(self, **others: str) -> dict[str, str]:
        return {"Host": HOST, "Authorization": f"Bearer {self.token}", **others}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = self.open()
        content = None if body is None else json.dumps(body)
        sent = self.headers(**headers)
        if content is not None:
            sent["Content-Type"] = "application/json"
        connection.request(method, path, content, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={HOST}", "-keyout", f"{folder}/{HOST}.key"]
    command += ["-out", f"{folder}/{HOST}.pem"]
    subprocess.run(command, check=True, capture_output=True)


def configuration(folder: Path, backend: str, plain: int, encrypted: int) -> Path:
    """The shipped file with the ports, the certificate and the folders of this test."""
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    replaced = {
        "server 127.0.0.1:8000;": f"server {backend};",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{encrypted} ssl http2;",
        "/etc/nginx/tls": str(folder),
    }
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    lines = [line for line in text.splitlines() if "[::]" not in line]
    folders = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Started by root, nginx would work as a user who may not enter the folders of the test.
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(
        f"{user}pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\ndaemon off;\n"
        f"events {{}}\nhttp {{\naccess_log {folder}/access.log;\n{folders}"
        + "\n".join(lines)
        + "\n}\n"
    )
    return path


@pytest.fixture(scope="module")
def proxy(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    from tests.service.conftest import Served

    assert NGINX is not None
    folder = tmp_path_factory.mktemp("nginx")
    data = folder / "data"
    created = subprocess.run(
        [sys.executable, "-m", "service", "token", "create", "ada", "--data", str(data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    token = created.stdout.split()[-1]
    served = Served(world, data, "--behind-proxy", "--allowed-host", HOST)
    plain, encrypted = free_port(), free_port()
    certificate(folder)
    path = configuration(folder, served.url.removeprefix("http://"), plain, encrypted)
    checked = subprocess.run(
        [NGINX, "-t", "-q", "-c", str(path)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([NGINX, "-c", str(path)])
    try:
        made = Proxy(plain, encrypted, token, served)
        assert within(60, lambda: ready(made))
        yield made
    finally:
        process.terminate()
        process.wait()
        served.end()


def ready(proxy: Proxy) -> bool:
    try:
        return proxy.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def test_plain_http_leads_to_tls(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=10)
    connection.request("GET", "/search?limit=1", headers={"Host": HOST})
    answer = connection.getresponse()
    assert answer.status == 308
    assert answer.headers["Location"] == f"https://{HOST}/search?limit=1"
    connection.close()


def test_events_arrive_one_by_one_through_the_proxy(proxy: Proxy) -> None:
    # So many small generations that it runs until it is cancelled.
    options = {"population": 2, "generations": 90000, "parents": 2, "crossovers": 1, "mutations": 1}
    body = {"space": "spos-tiny", "strategy": {"name": "evolution", "options": options}}
    status, job = proxy.request("POST", "/search", body)
    assert status == 202, job
    connection = proxy.open()
    connection.request("GET", f"/search/{job['id']}/events", headers=proxy.headers())
    stream = connection.getresponse()
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    times = []
    while len(times) < 3:
        line = stream.readline()
        assert line, "the stream ended before the third progress"
        if line.startswith(b"event: progress"):
            times.append(time.monotonic())
    # The search is still running: a proxy that buffered would have sent nothing yet.
    assert proxy.request("GET", f"/search/{job['id']}")[1]["state"] == "running"
    assert times[-1] > times[0]
    assert proxy.request("DELETE", f"/search/{job['id']}")[1]["state"] == "cancelled"
    rest = stream.read()
    assert b'"state": "cancelled"' in rest
    connection.close()


def test_the_client_is_known_by_its_own_address_and_scheme(proxy: Proxy) -> None:
    assert proxy.request("GET", "/jobs", **{"X-Forwarded-For": "10.9.8.7"})[0] == 200
    log = (proxy.served.data / "logs" / "web.jsonl").read_text()
    # What a client claims is replaced by what nginx sees.
    assert "10.9.8.7" not in log
    connection = proxy.open()
    connection.request(
        "POST",
        "/session",
        json.dumps({"token": proxy.token}),
        {
            "Host": HOST,
            "Content-Type": "application/json",
            "Origin": f"https://{HOST}",
        },
    )
    answer = connection.getresponse()
    assert answer.status in (200, 201), answer.read()
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    connection.close()


def test_other_hosts_and_sites_are_refused(proxy: Proxy) -> None:
    assert proxy.request("GET", "/jobs", Host="evil.example.com")[0] == 400
    status, _ = proxy.request("POST", "/search", {}, Origin="https://evil.example.com")
    assert status == 403


def test_a_body_that_is_too_large_is_answered(proxy: Proxy) -> None:
    status, answer = proxy.request("POST", "/tables", {"name": "x" * (40 << 20)})
    assert status == 413
    assert answer["type"].startswith("urn:pathfit:problem:")
