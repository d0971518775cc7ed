"""Times at which uploaded files were removed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; nothing was removed before."""
    op.add_column("files", sa.Column("removed", sa.Float(53), nullable=True))
