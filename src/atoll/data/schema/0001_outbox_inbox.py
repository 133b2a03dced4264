"""The framework's own tables, in every service's database."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.execute("""
    CREATE TABLE atoll.outbox (
        fence xid8 NOT NULL,
        position bigint GENERATED ALWAYS AS IDENTITY,
        id uuid NOT NULL,
        subject text NOT NULL,
        version integer NOT NULL,
        key text NOT NULL,
        data text NOT NULL,
        headers text,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        delivery integer NOT NULL DEFAULT 0,
        PRIMARY KEY (fence, position)
    );
    CREATE INDEX outbox_by_time ON atoll.outbox USING brin (written_at) WITH (autosummarize = on);
    COMMENT ON TABLE atoll.outbox IS 'Events that committed with the state; the relay publishes them by (fence, position).';

    CREATE TABLE atoll.relay (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        fence xid8 NOT NULL,
        position bigint NOT NULL
    ) WITH (fillfactor = 50);
    INSERT INTO atoll.relay (fence, position) VALUES ('0', 0);
    COMMENT ON TABLE atoll.relay IS 'How far the outbox is published.';

    CREATE TABLE atoll.inbox (
        consumer text NOT NULL,
        message_id text NOT NULL,
        handled_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, message_id)
    );
    CREATE INDEX inbox_by_time ON atoll.inbox USING brin (handled_at) WITH (autosummarize = on);
    COMMENT ON TABLE atoll.inbox IS 'Messages that were handled; written in the handler''s own transaction.';

    CREATE TABLE atoll.parked (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        consumer text NOT NULL,
        partition integer NOT NULL,
        key text NOT NULL,
        message_id text NOT NULL,
        subject text NOT NULL,
        body bytea NOT NULL,
        attempts integer NOT NULL,
        delays integer NOT NULL,
        due timestamptz,
        error text NOT NULL,
        stack text NOT NULL,
        parked_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (consumer, message_id)
    );
    CREATE INDEX parked_by_key ON atoll.parked (consumer, key, seq);
    CREATE INDEX parked_by_due ON atoll.parked (consumer, due) WHERE due IS NOT NULL;
    COMMENT ON TABLE atoll.parked IS 'Messages that failed, tried again when due; those without due wait behind another one.';

    CREATE TABLE atoll.dead_letters (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        consumer text NOT NULL,
        partition integer NOT NULL,
        key text NOT NULL,
        message_id text NOT NULL,
        subject text NOT NULL,
        body bytea NOT NULL,
        attempts integer NOT NULL,
        error text NOT NULL,
        stack text NOT NULL,
        died_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (consumer, message_id)
    );
    COMMENT ON TABLE atoll.dead_letters IS 'Messages that exhausted their attempts; a person redrives or drops them.';

    CREATE TABLE atoll.idempotency (
        operation text NOT NULL,
        subject text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        reply bytea,
        headers text,
        stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (operation, subject, key)
    );
    CREATE INDEX idempotency_by_time ON atoll.idempotency (stored_at);
    COMMENT ON TABLE atoll.idempotency IS 'Replies to requests with an idempotency key.';
    """)


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE atoll.idempotency, atoll.dead_letters, atoll.parked, atoll.inbox, atoll.relay, atoll.outbox")
