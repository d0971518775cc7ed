"""Whether torch can be imported where an agent runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; agents of before register again, and report it then."""
    op.add_column(
        "agents", sa.Column("has_torch", sa.Boolean(), nullable=False, server_default=sa.true())
    )
