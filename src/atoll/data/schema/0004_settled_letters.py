"""What became of dead letters: an operator who asks again has to learn that it is done."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table."""
    op.execute("""
    CREATE TABLE atoll.settled_letters (
        id bigint PRIMARY KEY,
        consumer text NOT NULL,
        message_id text NOT NULL,
        subject text NOT NULL,
        key text NOT NULL,
        error text NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('redriven', 'dropped')),
        settled_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE INDEX settled_letters_by_time ON atoll.settled_letters (settled_at);
    COMMENT ON TABLE atoll.settled_letters IS 'Dead letters that a person redrove or dropped, under their old ids.';
    """)


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE atoll.settled_letters")
