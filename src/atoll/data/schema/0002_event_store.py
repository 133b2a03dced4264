"""Streams of events, snapshots of aggregates, checkpoints of projections."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    op.execute("""
    CREATE TABLE atoll.events (
        stream text NOT NULL,
        number bigint NOT NULL,
        fence xid8 NOT NULL,
        position bigint NOT NULL DEFAULT nextval('atoll.outbox_position_seq'),
        id uuid NOT NULL,
        subject text NOT NULL,
        version integer NOT NULL,
        data text NOT NULL,
        headers text,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (stream, number)
    );
    CREATE UNIQUE INDEX events_in_order ON atoll.events (fence, position);
    COMMENT ON TABLE atoll.events IS
        'Streams of events, kept for good. One that is public has a twin in the outbox: same fence, position and id.';

    CREATE TABLE atoll.snapshots (
        stream text PRIMARY KEY,
        number bigint NOT NULL,
        shape text NOT NULL,
        state text NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    COMMENT ON TABLE atoll.snapshots IS 'States of aggregates, made of their events: a cache that may be emptied at any time.';

    CREATE TABLE atoll.projections (
        name text NOT NULL,
        building boolean NOT NULL DEFAULT false,
        fence xid8 NOT NULL DEFAULT '0',
        position bigint NOT NULL DEFAULT 0,
        rebuild_asked boolean NOT NULL DEFAULT false,
        trouble text,
        moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (name, building)
    ) WITH (fillfactor = 50);
    COMMENT ON TABLE atoll.projections IS
        'How far each projection is; written in the transaction of its read model. building: of the table that will replace it.';
    """)


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE atoll.projections, atoll.snapshots, atoll.events")
