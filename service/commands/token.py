"""`python -m service token`."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from service.commands.options import Duration, database_options, opened
from spaces.console.group import Group, example


@click.group(cls=Group, epilog=example("python -m service token create alice"))
def token() -> None:
    """Make, list and revoke the tokens that a service accepts."""


@token.command(epilog=example("python -m service token create alice --expires 90d --quota 20"))
@click.argument("name")
@click.option(
    "--expires", type=Duration(), default=None, help="In how long, such as 90d.  [default: never]"
)
@click.option(
    "--quota",
    type=click.IntRange(min=1),
    default=None,
    help="Unfinished jobs at a time.  [default: any]",
)
@database_options
def create(
    name: str, expires: float | None, quota: int | None, data: Path, database: str | None
) -> None:
    """Make a token and print it: only its digest is kept, so that this is the only time."""
    from service.commands.options import database_of
    from service.store import Store

    # Tokens are needed before the first start: the store is made where there is none.
    with closing(Store(database_of(data, database))) as store:
        click.echo(
            store.tokens.create(name, None if expires is None else time.time() + expires, quota)
        )


@token.command("list", epilog=example("python -m service token list"))
@database_options
def show(data: Path, database: str | None) -> None:
    """List the tokens, without their secrets."""
    from rich.console import Console
    from rich.table import Table

    with closing(opened(data, database)) as store:
        tokens = store.tokens.list()
    shown = Table("name", "id", "created", "expires", "quota", "state", box=None, pad_edge=False)
    for each in tokens:
        state = (
            "revoked"
            if each.revoked is not None
            else "valid"
            if each.valid(time.time())
            else "expired"
        )
        quota = "any" if each.quota is None else str(each.quota)
        shown.add_row(each.name, each.id, _day(each.created), _day(each.expires), quota, state)
    Console(soft_wrap=True, highlight=False).print(shown)


@token.command(epilog=example("python -m service token revoke alice"))
@click.argument("name")
@database_options
def revoke(name: str, data: Path, database: str | None) -> None:
    """Accept a token, by its name or id, no more; its jobs stay."""
    with closing(opened(data, database)) as store:
        revoked = store.tokens.revoke(name)
    click.echo(f"revoked {revoked.name} ({revoked.id})")


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
