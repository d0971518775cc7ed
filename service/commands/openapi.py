"""`python -m service openapi`."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example


@click.command(epilog=example("python -m service openapi -o docs/openapi.json"))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def openapi(output: Path | None) -> None:
    """Write the API's OpenAPI file, or print it; a running service serves the same at
    /openapi.json.
    """
    from spaces.files import write_text

    text = document()
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(f"wrote {output}")


def document() -> str:
    """The OpenAPI file; it depends on this version of Pathfit alone."""
    import json
    import tempfile

    from service.app import create_app
    from service.context import service_of
    from service.settings import Settings

    with tempfile.TemporaryDirectory(prefix="pathfit-") as folder:
        app = create_app(Settings(Path(folder)))
        try:
            return json.dumps(app.spec, indent=1, ensure_ascii=False) + "\n"
        finally:
            service_of(app).stop()
