"""`service token`: creating, listing and revoking."""

from typing import Any

import pytest

from service.store import Store


def test_a_token_is_printed_once(run: Any, data: Any) -> None:
    created = run("token", "create", "alice", "--expires", "90d", "--quota", "7")
    assert created.exit_code == 0, created.output
    secret = created.stdout.strip()
    store = Store(data / "jobs.sqlite")
    token = store.tokens.check(secret)
    store.close()
    assert token is not None
    assert (token.name, token.quota) == ("alice", 7)
    assert token.expires is not None
    assert 89.9 < (token.expires - token.created) / 86400 < 90.1
    output = run("token", "list").stdout
    assert secret not in output
    assert secret.rpartition(f"{token.id}_")[2] not in output
    assert output.splitlines()[1].split()[:2] == ["alice", token.id]
    assert output.splitlines()[1].split()[-2:] == ["7", "valid"]


def test_a_revoked_token_is_still_listed(run: Any, store: Store, clock: Any) -> None:
    secret = run("token", "create", "alice").stdout.strip()
    token = store.tokens.check(secret)
    assert token is not None
    store.tokens.create("bob", expires=clock.now + 0.001)
    assert run("token", "revoke", "alice").stdout == f"revoked alice ({token.id})\n"
    assert store.tokens.check(secret) is None
    states = {
        line.split()[0]: line.split()[-1] for line in run("token", "list").stdout.splitlines()[1:]
    }
    assert states == {"alice": "revoked", "bob": "expired"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "bob"], "there is a token 'bob' already"),
        (["create", ""], "printable characters"),
        (["create", "x", "--expires", "soon"], "45s, not 'soon'"),
        (["create", "x", "--expires", "0s"], "expires: a token must expire in the future"),
        (["create", "x", "--quota", "0"], "--quota"),
        (["revoke", "carol"], "there is no token 'carol' to revoke"),
    ],
)
def test_refused_token_commands_print_one_line(
    run: Any, store: Store, arguments: list[str], said: str
) -> None:
    store.tokens.create("bob")
    result = run("token", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_every_command_has_an_example(run: Any, command: str) -> None:
    from click.testing import CliRunner

    from service.commands import main

    output = CliRunner().invoke(main, ["token", command, "--help"]).stdout
    assert f"Example:\n    python -m service token {command}" in output


def test_administrators_are_listed_as_such(run: Any, data: Any) -> None:
    run("token", "create", "root", "--administrator")
    run("token", "create", "ada")
    roles = {line.split()[0]: line.split()[-3] for line in run("token", "list").stdout.splitlines()}
    assert roles == {"name": "role", "root": "administrator", "ada": "user"}
    store = Store(data / "jobs.sqlite")
    assert {token.name: token.administrator for token in store.tokens.list()} == {
        "root": True,
        "ada": False,
    }
    store.close()
