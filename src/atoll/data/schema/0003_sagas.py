"""Sagas: their instances, their journal, and the events that came for them."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    op.execute("""
    CREATE TABLE atoll.sagas (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        key text NOT NULL,
        partition smallint NOT NULL,
        message text NOT NULL,
        headers text,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'parked', 'completed', 'compensated')),
        backward boolean NOT NULL DEFAULT false,
        version bigint NOT NULL DEFAULT 1,
        arrivals bigint NOT NULL DEFAULT 0,
        due timestamptz DEFAULT clock_timestamp(),
        cause text,
        stuck text,
        trouble text,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz,
        CONSTRAINT one_saga_a_key UNIQUE (name, key)
    ) WITH (fillfactor = 70);
    CREATE INDEX sagas_by_due ON atoll.sagas (partition, due) WHERE status = 'active' AND due IS NOT NULL;
    CREATE INDEX sagas_by_status ON atoll.sagas (status, id);
    COMMENT ON TABLE atoll.sagas IS
        'Sagas, one a business key. version: rises with each change of the journal. arrivals: events that came for it.';

    CREATE TABLE atoll.saga_steps (
        saga uuid NOT NULL REFERENCES atoll.sagas ON DELETE CASCADE,
        name text NOT NULL,
        position text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('step', 'call', 'wait', 'timer', 'undo')),
        state text NOT NULL CHECK (state IN ('trying', 'done', 'failed', 'skipped')),
        input text,
        result text,
        error text,
        unknown boolean NOT NULL DEFAULT false,
        attempts integer NOT NULL DEFAULT 0,
        due timestamptz,
        begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        tried_at timestamptz,
        ended_at timestamptz,
        ended_version bigint,
        PRIMARY KEY (saga, name)
    );
    COMMENT ON TABLE atoll.saga_steps IS
        'The journal of sagas. unknown: whether a call that failed may have taken effect all the same.';

    CREATE TABLE atoll.saga_events (
        saga uuid NOT NULL REFERENCES atoll.sagas ON DELETE CASCADE,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        subject text NOT NULL,
        data text NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'taken', 'late')),
        arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (saga, seq)
    );
    COMMENT ON TABLE atoll.saga_events IS
        'Events that came for a saga. late: came when it was compensated or over, and changed nothing.';
    """)


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE atoll.saga_events, atoll.saga_steps, atoll.sagas")
