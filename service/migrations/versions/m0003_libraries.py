"""Libraries of uploaded files, and tokens of administrators."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite does not name constraints, and alembic can only drop one that has a name.
_NAMES = {"uq": "uq_%(table_name)s"}


def upgrade() -> None:
    """Add columns; all earlier uploads become files of the shared library.

    The contents are stored under their digests, so that no artifact moves.
    """
    op.add_column(
        "tokens",
        sa.Column("administrator", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    # The name now means the shared library.
    op.execute("UPDATE tokens SET name = 'shared-' || id WHERE name = 'shared'")
    op.add_column("files", sa.Column("library", sa.String(32), nullable=False, server_default=""))
    sqlite = op.get_bind().dialect.name == "sqlite"
    old = "uq_files" if sqlite else "files_kind_name_version_key"
    with op.batch_alter_table("files", naming_convention=_NAMES) as files:
        files.drop_constraint(old, type_="unique")
        files.create_unique_constraint("uq_files_version", ["library", "kind", "name", "version"])
