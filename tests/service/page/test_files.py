"""The files of the page, their packaging and their security headers."""

import re
from pathlib import Path
from typing import Any

import plotly
import pytest

from service.app import create_app
from service.context import service_of

STATIC = Path(__file__).resolve().parents[3] / "service" / "static"


@pytest.fixture
def http(world: Any, tmp_path: Path) -> Any:
    app = create_app(world.settings(tmp_path))
    yield app.test_client()
    service_of(app).stop()


def read_answer(http: Any, path: str) -> Any:
    """The answer, read to its end: files are closed."""
    with http.get(path) as answer:
        assert answer.data
        return answer


def test_inline_scripts_and_styles_do_not_run(http: Any) -> None:
    answer = http.get("/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'",) * 3
    assert not re.search(r"unsafe|https?:", answer.headers["Content-Security-Policy"])
    assert not re.search(r"\son\w+=|\sstyle=|<style", answer.text)
    for script in re.findall(r"<script[^>]*>", answer.text):
        assert "src=" in script or 'type="application/json"' in script
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)


def test_every_referenced_file_exists(http: Any) -> None:
    named = re.findall(r"(?:src|href)=\"(/(?!openapi)[^\"]+)\"", http.get("/").text)
    assert len(named) > 5
    for path in named:
        assert read_answer(http, path).status_code == 200, path
    modules = sorted((STATIC / "js").glob("*.js"))
    reached, todo = set(), ["app.js"]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += re.findall(
                r'from "\./([a-z]+\.js)"', (STATIC / "js" / name).read_text(encoding="utf-8")
            )
    assert reached == {path.name for path in modules}
    for path in modules:
        answer = read_answer(http, f"/static/js/{path.name}")
        assert answer.mimetype == "text/javascript"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_plotly_comes_from_its_package_and_is_cached(http: Any) -> None:
    answer = read_answer(http, f"/plotly-{plotly.__version__}.min.js")
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert answer.data == script.read_bytes()
    assert answer.headers["Cache-Control"].endswith("max-age=31536000")


def test_every_kind_of_file_is_packaged() -> None:
    setup = (STATIC.parents[1] / "setup.py").read_text(encoding="utf-8")
    patterns = re.findall(r'"(static/[^"]+)"', setup)
    packaged = {path for pattern in patterns for path in STATIC.parent.glob(pattern)}
    assert packaged == {path for path in STATIC.rglob("*") if path.is_file()}
