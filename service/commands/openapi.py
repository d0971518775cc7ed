"""`python -m service openapi`."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(epilog=example("python -m service openapi -o docs/openapi.json"))
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File of the document.  [default: print it]",
)
def openapi(output: Path | None) -> None:
    """Write or print the API's OpenAPI document, which a service has at /openapi.json too."""
    from spaces.files import write_text

    text = document()
    if output is None:
        click.echo(text, nl=False)
        return

    write_text(output, text)
    click.echo(f"wrote {output}")


def document() -> str:
    """Return the OpenAPI document, which depends on the version of Pathfit alone."""
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
