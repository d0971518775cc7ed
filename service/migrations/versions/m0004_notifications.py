"""PostgreSQL's notifications of changed jobs."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A trigger, so that a change cannot be written without its notification, which PostgreSQL sends at
# the commit. `service.store.schema.CHANNEL` is the channel.
_FUNCTION = """
CREATE OR REPLACE FUNCTION pathfit_notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pathfit_changes', jobs.id) FROM jobs WHERE jobs.sequence = NEW.job;
    RETURN NULL;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER events_notify_change AFTER INSERT ON events
FOR EACH ROW EXECUTE FUNCTION pathfit_notify_change()
"""


def upgrade() -> None:
    """Create the trigger; SQLite has no notifications of its own."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        op.execute(_TRIGGER)
