"""Stock by article, and the parcels that came back."""

from alembic import op

revision = "inventory_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE stock (sku text PRIMARY KEY, pieces bigint NOT NULL CHECK (pieces >= 0))")
    op.execute("""
        CREATE TABLE parcels (
            id uuid PRIMARY KEY,
            order_id uuid NOT NULL,
            sent_back boolean NOT NULL DEFAULT false,
            scanned_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE parcels, stock")
