"""Leases, events, owners, idempotency, engines, tokens, sessions and uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and columns; the jobs are preserved."""
    _jobs()
    _events()
    _requests()
    _tokens()
    _files()
    op.drop_table("meta")


def _jobs() -> None:
    for column in (
        sa.Column("owner", sa.String(32)),
        sa.Column("space", sa.Text()),
        sa.Column("cpus", sa.Float(53), nullable=False, server_default="1"),
        sa.Column("gpus", sa.Float(53), nullable=False, server_default="0"),
        sa.Column("engine", sa.String(128)),
        sa.Column("lease", sa.Float(53)),
        sa.Column("events", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)

    op.create_index("ix_jobs_owner", "jobs", ["owner", "state"])
    op.create_index("ix_jobs_engine", "jobs", ["engine", "state"])
    # A job that was running has no lease, so that its engine is dead: it is queued again.
    op.execute("UPDATE jobs SET state = 'queued', progress = NULL WHERE state = 'running'")
    # The first version supported SQLite alone, so other databases have no jobs yet.
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE jobs SET space = json_extract(request, '$.space')")


def _events() -> None:
    op.create_table(
        "events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column(
            "job", sa.Integer(), sa.ForeignKey("jobs.sequence", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON()),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.UniqueConstraint("job", "number"),
        sqlite_autoincrement=True,
    )


def _requests() -> None:
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("method", sa.String(8), primary_key=True),
        sa.Column("path", sa.String(256), primary_key=True),
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column(
            "job", sa.Integer(), sa.ForeignKey("jobs.sequence", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    op.create_index("ix_idempotency_job", "idempotency", ["job"])
    op.create_table(
        "engines",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("ray", sa.JSON()),
        sa.Column("started", sa.Float(53), nullable=False),
        sa.Column("seen", sa.Float(53), nullable=False),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("quota", sa.Integer()),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("expires", sa.Float(53)),
        sa.Column("revoked", sa.Float(53)),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column(
            "token", sa.String(32), sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("expires", sa.Float(53), nullable=False),
    )
    op.create_index("ix_sessions_token", "sessions", ["token"])


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("artifact", sa.String(512), nullable=False),
        sa.Column("owner", sa.String(32)),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.UniqueConstraint("kind", "name", "version"),
    )
