"""Summaries and sizes of uploaded files, and quotas of bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns.

    Those of earlier uploads remain empty until a list first shows them, since the contents are not
    in the database.
    """
    op.add_column("files", sa.Column("size", sa.BigInteger(), nullable=True))
    op.add_column("files", sa.Column("space", sa.Text(), nullable=True))
    op.add_column("files", sa.Column("summary", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("tokens", sa.Column("max_bytes", sa.BigInteger(), nullable=True))
