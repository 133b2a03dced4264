"""Orders, and the price list: skus A1 to Z9, in three currencies."""

from alembic import op

revision = "orders_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE orders (
            id uuid PRIMARY KEY,
            customer text NOT NULL,
            status text NOT NULL CHECK (status IN ('pending', 'confirmed', 'declined', 'cancelled')),
            total bigint NOT NULL CHECK (total > 0),
            currency text NOT NULL,
            lines jsonb NOT NULL,
            reason text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX orders_of_customer ON orders (customer, id DESC)")
    op.execute("""
        CREATE TABLE prices (
            currency text NOT NULL,
            sku text NOT NULL,
            amount bigint NOT NULL CHECK (amount > 0),
            PRIMARY KEY (currency, sku)
        )
    """)
    # A1 is 0.99 EUR and Z9 is 233.99 EUR: letter times digit, in whole euro, less a cent; 1.10 USD and 0.85 GBP for a euro.
    op.execute("""
        INSERT INTO prices (currency, sku, amount)
        SELECT rate.currency, chr(64 + letter) || digit, rate.minor_units * letter * digit - 1
        FROM (VALUES ('EUR', 100), ('USD', 110), ('GBP', 85)) AS rate (currency, minor_units),
             generate_series(1, 26) AS letter,
             generate_series(1, 9) AS digit
    """)


def downgrade() -> None:
    op.execute("DROP TABLE prices, orders")
