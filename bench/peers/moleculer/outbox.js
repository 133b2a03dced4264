"use strict";
// The outbox of one service: rows that were committed with a change go to JetStream, and then away.
const EVERY = 50; // milliseconds between two looks when nobody told of a row
const BATCH = 1000;

class Relay {
	constructor(broker, pool) {
		this.broker = broker;
		this.pool = pool;
		this.wake = () => {};
		this.stopping = false;
	}

	start() {
		this.running = this.run();
	}

	async stop() {
		this.stopping = true;
		this.told();
		await this.running;
	}

	// A row was committed.
	told() {
		this.hint = true;
		this.wake();
	}

	async run() {
		while (!this.stopping) {
			try {
				this.hint = false;
				if (await this.publishBatch()) continue;
				if (!this.hint) await this.pause(EVERY);
			} catch (error) {
				this.broker.logger.error("the relay failed and tries again", error);
				await this.pause(1000);
			}
		}
	}

	pause(milliseconds) {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, milliseconds);
			this.wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	// There is one relay a service, so no row is locked. A row that is published again after a crash comes twice, and those who hear of it bear that.
	async publishBatch() {
		const { rows } = await this.pool.query({
			name: "oldest",
			text: `SELECT id, subject, payload FROM outbox ORDER BY id LIMIT ${BATCH}`,
		});
		if (!rows.length) return 0;
		await Promise.all(rows.map((row) => this.broker.sendToChannel(row.subject, row.payload)));
		await this.pool.query({
			name: "published",
			text: "DELETE FROM outbox WHERE id = ANY($1)",
			values: [rows.map((row) => row.id)],
		});
		return rows.length;
	}
}

module.exports = { Relay };
