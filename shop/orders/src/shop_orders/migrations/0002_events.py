"""Orders are made of their events: the table becomes the read model of lists. What it holds is told as events."""

from alembic import op

revision = "orders_0002"
down_revision = "orders_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX orders_unpaid ON orders (created_at) WHERE status = 'pending'")
    op.execute("""
        INSERT INTO atoll.events (fence, stream, number, id, subject, version, data)
        SELECT pg_current_xact_id(), 'order-' || id, 1, gen_random_uuid(), 'order.placed', 1, json_build_object(
            'order_id', id, 'customer', customer, 'lines', lines, 'total', total, 'currency', currency,
            'card', 'tok_ok', 'placed_at', created_at
        ) FROM orders ORDER BY id
    """)
    op.execute("""
        INSERT INTO atoll.events (fence, stream, number, id, subject, version, data)
        SELECT pg_current_xact_id(), 'order-' || id, 2, gen_random_uuid(),
            CASE status WHEN 'confirmed' THEN 'order.paid' WHEN 'declined' THEN 'order.declined' ELSE 'order.withdrawn' END,
            1, CASE status WHEN 'confirmed' THEN json_build_object('order_id', id, 'payment_id', NULL)
                           ELSE json_build_object('order_id', id, 'reason', reason) END
        FROM orders WHERE status <> 'pending' ORDER BY id
    """)


def downgrade() -> None:
    op.execute("DELETE FROM atoll.events")
    op.execute("DROP INDEX orders_unpaid")
