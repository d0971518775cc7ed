"""Requests that are repeated, and requests that are not."""

from typing import Any

import pytest

from service.client import Client, SearchHandle, ServiceProblem, Unreachable

BUSY = {"detail": "all places are taken", "status": 503}


def test_a_post_without_an_answer_is_repeated_with_its_key(
    scripted: Any, no_pauses: list[float]
) -> None:
    scripted.will(0)
    scripted.will(502, b"<html>")
    scripted.will(202, {"id": "abc"})
    assert Client(scripted.url).search(space="spos", constraints={"flops": 3e6}).id == "abc"
    first, *others = scripted.keys()
    assert first is not None
    assert others == [first, first]
    assert len({body for *_, body in scripted.asked}) == 1
    assert no_pauses == [0.1, 0.3]
    scripted.will(202, {"id": "def"})
    Client(scripted.url).search(space="spos")
    assert scripted.keys()[-1] not in (None, first)


def test_the_client_waits_as_long_as_a_busy_service_requests(
    scripted: Any, no_pauses: list[float]
) -> None:
    scripted.will(503, BUSY, Retry_After="4")
    scripted.will(503, BUSY, Retry_After="3600")
    scripted.will(200, {"items": []})
    assert Client(scripted.url).spaces() == []
    assert no_pauses == [4, 10]


def test_the_last_refusal_is_raised_after_all_retries(
    scripted: Any, no_pauses: list[float]
) -> None:
    for _ in range(4):
        scripted.will(503, BUSY)
    with pytest.raises(ServiceProblem, match="all places are taken") as caught:
        Client(scripted.url).tables()
    assert caught.value.status == 503
    assert len(no_pauses) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500])
def test_a_refused_request_is_not_repeated(
    scripted: Any, no_pauses: list[float], status: int
) -> None:
    scripted.will(status, {"detail": "no", "field": "space"})
    with pytest.raises(ServiceProblem, match=r"^no$") as caught:
        Client(scripted.url).search(space="spos")
    assert (caught.value.status, caught.value.field, no_pauses) == (status, "space", [])


def test_the_token_is_sent_to_the_service_alone(scripted: Any) -> None:
    scripted.will(200, {"items": []})
    scripted.will(302, b"", Location="http://127.0.0.1:9/spaces")
    client = Client(scripted.url, "secret\n".strip())
    client.spaces()
    with pytest.raises(ServiceProblem, match="status 302"):
        client.spaces()
    assert [headers["Authorization"] for _, _, headers, _ in scripted.asked] == [
        "Bearer secret"
    ] * 2


@pytest.mark.parametrize("token", ["two\nlines", "", "naïve"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ServiceProblem, match="the token is empty, or has characters"):
        Client("http://127.0.0.1:9", token)


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", "http://", ""])
def test_malformed_urls_are_refused(url: str) -> None:
    with pytest.raises(ServiceProblem, match="not the URL of a service"):
        Client(url)


def test_an_unreachable_service_is_reported(no_pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match=r"no service answers at http://127\.0\.0\.1:9"):
        Client("http://127.0.0.1:9").spaces()
    assert no_pauses == [0.1, 0.3, 0.9]


def test_a_server_other_than_pathfit_is_recognised(scripted: Any) -> None:
    scripted.will(200, b"<html>hello</html>")
    with pytest.raises(ServiceProblem, match="is no Pathfit service"):
        Client(scripted.url).spaces()


def test_exports_have_a_longer_timeout_than_other_requests(
    scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(scripted.url, timeout=7)
    once = client.transport._send
    patience: list[float] = []

    def noted(*arguments: Any) -> bytes:
        patience.append(arguments[-1])
        return once(*arguments)

    monkeypatch.setattr(client.transport, "_send", noted)
    for form in ("pathfit", "onnx"):
        scripted.will(200, b"network")
        assert SearchHandle(client, "abc").architecture(3, form, weights="untrained") == b"network"
    assert patience == [7, 300]
    path = "/search/abc/architectures/3?of=candidates&format=onnx&weights=untrained"
    assert scripted.asked[-1][1] == path
