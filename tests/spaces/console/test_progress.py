"""The progress bar in terminals of any width."""

from contextlib import suppress

import pytest

from spaces.console.progress import Bar

STATE = "epoch 12/60, loss 2.303, accuracy 10.0%, 12345 images/s"


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, title: str
) -> list[str]:
    """The lines of a bar half-way, as it is left behind."""
    monkeypatch.setenv("COLUMNS", str(width))
    bar = Bar(title)
    with suppress(KeyboardInterrupt), bar:
        bar.update(0.5, STATE)
        raise KeyboardInterrupt
    captured = capsys.readouterr()
    assert captured.out == ""
    return [line.rstrip() for line in captured.err.splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_state_is_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    lines = shown(monkeypatch, capsys, width, "training spos-tiny")
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("training spos-tiny ")
    assert STATE in " ".join(line.strip() for line in lines)
    assert "…" not in "".join(lines)
    assert (len(lines) == 1) is (width >= 100)


def test_a_long_title_leaves_room_for_bar_and_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, 80, "evaluating by " + "a/long/path/" * 10)
    assert len(lines) == 2
    assert "… ━━" in lines[0]
    assert lines[0].endswith(":00")
    assert lines[1] == f"  {STATE}"


def test_square_brackets_are_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich would take them for its markup."""
    assert shown(monkeypatch, capsys, 200, "reading [bold]")[0].startswith("reading [bold] ")
