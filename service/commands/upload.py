"""`python -m service upload`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from spaces.console.group import example
from spaces.files import text_stem, text_suffix

if TYPE_CHECKING:
    from service.client import Client, Uploaded

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog=example(
        """
        python -m service upload runs/tables/my-phone.json --url https://nas.example.org
        python -m service upload runs/evaluations.jsonl --name phone-supernet
        """
    )
)
@with_client
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--name",
    default=None,
    help="Name of the upload, for one file.  [default: the table's or the file's name]",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Add to the library of everybody; needs an administrator's token.",
)
def upload(client: Client, files: tuple[Path, ...], name: str | None, shared: bool) -> None:
    """Upload lookup tables (.json) and evaluations (.jsonl) to a service, compressed (.gz) or not.

    Requests may name them at once. Other content under the same name becomes a new version, which
    later jobs use. With a token the files belong to its own library, unless --shared is given.
    """
    if name is not None and len(files) > 1:
        raise click.UsageError(f"--name is for one file, not for {len(files)}")

    for path in files:
        version = _upload(client, path, name, shared)
        content = "that table" if version.kind == "table" else "these evaluations"
        click.echo(f"{version.qualified_name} is version {version.version} of {content}")


def _upload(client: Client, path: Path, name: str | None, shared: bool) -> Uploaded:
    if text_suffix(path) == ".jsonl":
        return client.upload_evaluations(name or text_stem(path), path, shared=shared)
    return client.upload_table(path, name, shared=shared)
