"""The help of every command imports no heavy package."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {
    "torch",
    "ray",
    "flask",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "fsspec",
    "numpy",
    "lightning_fabric",
    "psycopg",
}


def test_help_of_every_command_imports_no_heavy_package() -> None:
    code = (
        "import sys, click; from click.testing import CliRunner; from service.commands import LAZY,"
        " main\ncommands = [[name] for name in LAZY] + [['token', name] for name in ('create',"
        " 'list', 'revoke')]\nfor names in commands:\n    shown = CliRunner().invoke(main, [*names,"
        " '--help'])\n    assert shown.exit_code == 0, names\n    assert 'Example:\\n    python -m"
        " service ' + ' '.join(names) in shown.stdout, names\nprint('LOADED', *sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    loaded = {name.partition(".")[0] for name in result.stdout.rpartition("LOADED")[2].split()}
    assert "service" in loaded
    assert HEAVY & loaded == set()
