"""What a service consumes, and what a person has paused."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the table."""
    op.execute("""
    CREATE TABLE atoll.consumers (
        consumer text NOT NULL,
        subject text NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        paused_at timestamptz,
        why text NOT NULL DEFAULT '',
        PRIMARY KEY (consumer, subject)
    );
    COMMENT ON TABLE atoll.consumers IS 'The subjects that this service consumes; those with paused_at stay with the broker.';
    """)


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE atoll.consumers")
