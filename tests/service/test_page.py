"""The page: what the service knows and does, for a person with a browser."""

from pathlib import Path
from typing import Any

from service.app import create_app, service_of


def test_the_page_names_what_there_is_and_escapes_what_it_shows(world: Any, tmp_path: Path) -> None:
    app = create_app(world.settings(tmp_path / "data"))
    client = app.test_client()
    empty = client.get("/")
    assert empty.status_code == 200
    assert empty.mimetype == "text/html"
    assert "None yet." in empty.text
    assert '"space": "spos-tiny", "device": "lacking"' in empty.text.replace("&#34;", '"')
    for name in ("spos-tiny", "made-up", "small", "/openapi.json"):
        assert name in empty.text
    assert "default-src 'none'" in empty.headers["Content-Security-Policy"]
    request = {"space": "<script>", "device": "made-up", "constraints": {"latency_ms": {"max": 3.5}}}
    with app.app_context():
        job = service_of().store.create("search", request, {})
    text = client.get("/").text
    assert f'href="/search/{job.id}"' in text
    assert "queued" in text
    assert "latency_ms at most 3.5" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
