"""When the relay last published: a relay that stands still has to show."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE atoll.relay ADD COLUMN published_at timestamptz")


def downgrade() -> None:
    """Drops it."""
    op.execute("ALTER TABLE atoll.relay DROP COLUMN published_at")
