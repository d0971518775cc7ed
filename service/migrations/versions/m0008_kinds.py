"""An index of jobs by their kind and state, for the files that finished jobs have made."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_jobs_kind", "jobs", ["kind", "state", "finished"])
