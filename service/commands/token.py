"""`python -m service token`."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.options import Duration, database_options, open_store
from spaces.console.group import Group, example

if TYPE_CHECKING:
    from service.store import Token

_WIDTH = 120


@click.group(cls=Group, epilog=example("python -m service token create alice"))
def token() -> None:
    """Create, list and revoke the tokens that a service accepts."""


@token.command(epilog=example("python -m service token create alice --expires 90d --quota 20"))
@click.argument("name")
@click.option(
    "--expires", type=Duration(), default=None, help="Lifetime, such as 90d.  [default: unlimited]"
)
@click.option(
    "--quota",
    type=click.IntRange(min=1),
    default=None,
    help="Unfinished jobs at a time.  [default: unlimited]",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1),
    default=None,
    help="Bytes that its uploads may have together.  [default: unlimited]",
)
@click.option(
    "--administrator",
    is_flag=True,
    help="Accept its uploads to the shared library, and let it use the files of every token.",
)
@click.option(
    "--agent-of",
    default=None,
    metavar="OWNER",
    help="Make it the token of the agent NAME, which may take and report measuring jobs and nothing"
    " else; the token OWNER decides who may measure there.",
)
@database_options
def create(
    name: str,
    expires: float | None,
    quota: int | None,
    max_bytes: int | None,
    administrator: bool,
    agent_of: str | None,
    data: Path,
    database: str | None,
) -> None:
    """Create a token, and print it once: only its digest is stored."""
    from service.commands.options import database_of
    from service.store import Store

    expiry = None if expires is None else time.time() + expires
    # Not `open_store`: tokens are needed before the first start, so a missing store is created.
    with closing(Store(database_of(data, database))) as store:
        secret = store.tokens.create(
            name,
            expiry,
            quota,
            administrator=administrator,
            max_bytes=max_bytes,
            agent_of=agent_of,
        )
    click.echo(secret)


@token.command("list", epilog=example("python -m service token list"))
@database_options
def show(data: Path, database: str | None) -> None:
    """List the tokens, without their secrets."""
    from rich.console import Console
    from rich.table import Table

    with closing(open_store(data, database)) as store:
        tokens = store.tokens.list()

    columns = ("name", "id", "created", "expires", "bytes", "role", "quota", "state")
    table = Table(*columns, box=None, pad_edge=False)
    for entry in tokens:
        quota = "any" if entry.quota is None else str(entry.quota)
        created = _format_time(entry.created)
        expires = _format_time(entry.expires)
        role = "administrator" if entry.administrator else "user"
        if entry.agent_of is not None:
            role = "agent"
        max_bytes = "any" if entry.max_bytes is None else str(entry.max_bytes)
        state = _state(entry)
        table.add_row(entry.name, entry.id, created, expires, max_bytes, role, quota, state)

    # Wider than many terminals, which wrap whole lines; rich would wrap within the columns.
    Console(width=_WIDTH, soft_wrap=True, highlight=False).print(table)


@token.command(epilog=example("python -m service token revoke alice"))
@click.argument("name")
@database_options
def revoke(name: str, data: Path, database: str | None) -> None:
    """Revoke a token by its name or id; its jobs remain."""
    with closing(open_store(data, database)) as store:
        revoked = store.tokens.revoke(name)
    click.echo(f"revoked {revoked.name} ({revoked.id})")


def _state(token: Token) -> str:
    if token.revoked is not None:
        return "revoked"
    return "valid" if token.valid(time.time()) else "expired"


def _format_time(seconds: float | None) -> str:
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
