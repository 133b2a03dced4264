"""Payments, and the books of the simulated acquirer."""

from alembic import op

revision = "payments_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE payments (
            id uuid PRIMARY KEY,
            order_id uuid NOT NULL UNIQUE,
            amount bigint NOT NULL CHECK (amount >= 0),
            currency text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'blocked', 'captured', 'declined')),
            refunded bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
            reason text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE refunds (
            payment_id uuid NOT NULL REFERENCES payments (id),
            name text NOT NULL,
            amount bigint NOT NULL CHECK (amount > 0),
            made_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (payment_id, name)
        )
    """)
    op.execute("""
        CREATE TABLE acquirer_accounts (
            key text PRIMARY KEY,
            state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'captured', 'declined', 'void')),
            amount bigint NOT NULL DEFAULT 0 CHECK (amount >= 0),
            currency text NOT NULL DEFAULT '',
            reason text NOT NULL DEFAULT '',
            attempts integer NOT NULL DEFAULT 0
        )
    """)
    op.execute("""
        CREATE TABLE acquirer_ledger (
            key text NOT NULL REFERENCES acquirer_accounts (key),
            entry text NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            booked_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (key, entry)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE acquirer_ledger, acquirer_accounts, refunds, payments")
