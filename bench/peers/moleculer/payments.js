"use strict";
// Payments: captures each order once.
const { randomUUID } = require("crypto");
const { Pool } = require("pg");
const { run } = require("./broker");
const { Relay } = require("./outbox");

const LIMIT = 10_000_000; // minor units
const SCHEMA = `
CREATE TABLE IF NOT EXISTS payments (id uuid PRIMARY KEY, order_id uuid NOT NULL UNIQUE, amount bigint NOT NULL,
    currency text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, payload jsonb NOT NULL)`;
// A message that comes again adds neither a payment nor an event.
const CAPTURE = `
WITH captured AS (INSERT INTO payments (id, order_id, amount, currency) VALUES ($1, $2, $3, $4)
                  ON CONFLICT (order_id) DO NOTHING RETURNING order_id)
INSERT INTO outbox (subject, payload) SELECT 'payment.captured', $5 FROM captured`;

run(
	"payments",
	{
		name: "payments",
		actions: {
			charge: {
				params: {
					order_id: "uuid",
					amount: { type: "number", integer: true, min: 0 },
					currency: { type: "string", optional: true, default: "EUR" },
				},
				handler({ params: { order_id, amount, currency } }) {
					return { order_id, amount, currency, accepted: amount <= LIMIT };
				},
			},
		},
		channels: {
			"order.created": {
				group: "payments",
				async handler({ order_id, total, currency }) {
					const told = { order_id, amount: total, currency };
					await this.pool.query({
						name: "capture",
						text: CAPTURE,
						values: [randomUUID(), order_id, total, currency, told],
					});
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
