"""Agents on devices, and the jobs that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the agents; earlier jobs wait for none, and earlier tokens are of none."""
    op.add_column("jobs", sa.Column("agent", sa.String(32), nullable=True))
    op.add_column("jobs", sa.Column("agent_until", sa.Float(53), nullable=True))
    op.create_index("ix_jobs_agent", "jobs", ["agent", "state"])
    op.add_column("tokens", sa.Column("agent_of", sa.String(32), nullable=True))
    op.create_table(
        "agents",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False, unique=True),
        sa.Column("owner", sa.String(32), nullable=True),
        sa.Column("device", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("backends", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("measurers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("seen", sa.Float(53), nullable=False),
    )
