"""Names and tags of jobs, and the words that they are found by."""

import sqlalchemy as sa
from alembic import op

from service.store.labels import searchable_words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JOBS = sa.table(
    "jobs",
    sa.column("sequence", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("request", sa.JSON),
    sa.column("words", sa.Text),
)


def upgrade() -> None:
    """Add columns; earlier jobs have no labels, but are found by their requests."""
    op.add_column("jobs", sa.Column("name", sa.String(200), nullable=True))
    op.add_column("jobs", sa.Column("tags", sa.Text(), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("words", sa.Text(), nullable=False, server_default=""))

    connection = op.get_bind()
    rows = connection.execute(sa.select(_JOBS.c.sequence, _JOBS.c.kind, _JOBS.c.request)).all()
    update = (
        _JOBS.update()
        .where(_JOBS.c.sequence == sa.bindparam("job"))
        .values(words=sa.bindparam("text"))
    )
    texts = [
        {"job": sequence, "text": searchable_words([kind], request)}
        for sequence, kind, request in rows
    ]
    if texts:
        connection.execute(update, texts)
