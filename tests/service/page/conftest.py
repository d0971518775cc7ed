"""A browser, pages in it without complaints, and an application that requires a token."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.client import Client
from service.context import Service
from service.jobs import Job
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
PICTURES = ROOT / ".pytest-artifacts" / "page"

# plotly sets one style attribute that the policy keeps from working; nothing that is seen depends
# on it.
EXPECTED = re.compile(r"Applying inline style violates .* 'style-src 'self''")


def chromium() -> str:
    """The browser's program; where there is none the tests skip, but not where everything must
    run.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    reason = "no chromium: on Debian, apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; it ends with the module, for its event loop would stand in other tests'
    way.
    """
    program = chromium()
    expect.set_options(timeout=20_000 * PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens a page; a script's error, a complaint on the console or a request to elsewhere fails
    the test.

    `allowed` is a pattern of complaints that the test itself provokes.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def begin(url: str, allowed: str | None = None, **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)

        def heard(message: Any) -> None:
            entries = EXPECTED.search(message.text) or (
                allowed is not None and re.search(allowed, message.text)
            )
            if message.type in ("error", "warning") and not entries:
                complaints.append(f"{message.text} ({message.location.get('url')})")

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda sent: None if own(sent.url, url) else complaints.append(f"asked {sent.url}"),
        )
        page.goto(url)
        return page

    yield begin
    for context in contexts:
        context.close()
    assert complaints == []


def own(address: str, url: str) -> bool:
    origin = "/".join(url.split("/")[:3])
    return address.startswith((f"{origin}/", f"blob:{origin}/", "data:"))


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a screenshot of the whole page for whoever looks at the tests' artifacts."""

    def take(page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    return take


@dataclass(frozen=True)
class Unattended:
    """An application whose jobs nobody runs but the test.

    Args:
        url: where it is.
        service: what it works with.
    """

    url: str
    service: Service

    @property
    def client(self) -> Client:
        """Asks it for jobs as others do."""
        return Client(self.url)

    def claim(self) -> Job:
        """Begin the oldest queued job."""
        job = self.service.store.leases.claim("test", 60)
        assert job is not None
        return job

    def report(self, job: Job, share: float, stage: str, state: str = "") -> None:
        """Tell how far a training is."""
        self.service.store.jobs.report(
            job.id, job.attempt, {"share": share, "stage": stage, "state": state}
        )

    def finish(self, job: Job, result: dict[str, Any], name: str, content: bytes) -> None:
        """End a job well, with the file that it leaves."""
        artifact = self.service.artifacts.write(job.id, job.attempt, name, content)
        self.service.store.jobs.finish(job.id, job.attempt, result, artifact)


@pytest.fixture
def unattended(application: tuple[str, Service]) -> Unattended:
    return Unattended(*application)


@pytest.fixture
def guarded(unattended: Unattended) -> tuple[str, str]:
    """The URL of an application that asks for a token, and a token; nobody runs its jobs."""
    return unattended.url, unattended.service.store.tokens.create("page")
