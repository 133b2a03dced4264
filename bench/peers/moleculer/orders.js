"use strict";
// Orders: takes them, asks for quotes, and confirms what was paid.
const { randomUUID } = require("crypto");
const { Errors } = require("moleculer");
const { Pool } = require("pg");
const { run } = require("./broker");
const { Relay } = require("./outbox");

const SCHEMA = `
CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, customer text NOT NULL, total bigint NOT NULL, currency text NOT NULL,
    status text NOT NULL DEFAULT 'pending', created_at timestamptz NOT NULL DEFAULT now(), confirmed_at timestamptz);
CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, payload jsonb NOT NULL)`;
const PLACE = `
WITH told AS (INSERT INTO outbox (subject, payload) VALUES ('order.created', $5))
INSERT INTO orders (id, customer, total, currency) VALUES ($1, $2, $3, $4)`;
const CONFIRM = `
WITH confirmed AS (UPDATE orders SET status = 'confirmed', confirmed_at = clock_timestamp()
                   WHERE id = $1 AND status = 'pending' RETURNING id)
INSERT INTO outbox (subject, payload) SELECT 'order.confirmed', jsonb_build_object('order_id', id) FROM confirmed`;

const PRICES = new Map();
[..."ABCDEFGHIJ"].forEach((letter, at) => {
	for (let digit = 1; digit < 10; digit++) PRICES.set(`${letter}${digit}`, 100 * (at + 1) * digit - 1);
});

const order = {
	items: {
		type: "array",
		min: 1,
		max: 100,
		items: {
			type: "object",
			props: { sku: { type: "string", min: 1, max: 40 }, quantity: { type: "number", integer: true, min: 1, max: 1000 } },
		},
	},
	currency: { type: "string", optional: true, default: "EUR" },
};

function totalOf(items) {
	return items.reduce((sum, item) => {
		const price = PRICES.get(item.sku);
		if (price === undefined) throw new Errors.ValidationError(`there is no article ${item.sku}`);
		return sum + price * item.quantity;
	}, 0);
}

run(
	"orders",
	{
		name: "orders",
		actions: {
			place: {
				params: order,
				async handler(ctx) {
					const { items, currency } = ctx.params;
					const { customer } = ctx.meta;
					const id = randomUUID();
					const total = totalOf(items);
					const event = { order_id: id, user_id: customer, total, currency };
					await this.pool.query({ name: "place", text: PLACE, values: [id, customer, total, currency, event] });
					this.relay.told();
					ctx.meta.$statusCode = 201;
					return { id, status: "pending", total, currency, items };
				},
			},
			quote: {
				params: order,
				async handler(ctx) {
					const { items, currency } = ctx.params;
					const total = totalOf(items);
					const asked = { order_id: randomUUID(), amount: total, currency };
					const { accepted } = await ctx.call("payments.charge", asked);
					return { total, currency, accepted };
				},
			},
		},
		channels: {
			"payment.captured": {
				group: "orders",
				async handler(event) {
					await this.pool.query({ name: "confirm", text: CONFIRM, values: [event.order_id] });
					this.relay.told();
				},
			},
		},
		async created() {
			this.pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
			this.relay = new Relay(this.broker, this.pool);
		},
		async started() {
			await this.pool.query(SCHEMA);
			this.relay.start();
		},
		async stopped() {
			await this.relay.stop();
			await this.pool.end();
		},
	},
	{ events: true },
);
