"use strict";
// What all three processes have in common: the broker, and how it ends.
const { ServiceBroker } = require("moleculer");
const { Middleware: channels } = require("@moleculer/channels");

const IN_FLIGHT = 256;
const STREAM = { name: "shop", subjects: ["order.*", "payment.*"] };

function adapter() {
	const options = {
		maxInFlight: IN_FLIGHT,
		maxRetries: -1,
		nats: {
			url: process.env.NATS_URL,
			streamConfig: STREAM,
			consumerOptions: { config: { deliver_policy: "all" } },
		},
	};
	return channels({ adapter: { type: "NATS", options } });
}

async function run(name, service, { events = false } = {}) {
	const broker = new ServiceBroker({
		nodeID: name,
		transporter: { type: "NATS", options: { url: process.env.NATS_URL } },
		logger: { type: "Console", options: { level: "warn" } },
		metrics: false,
		tracing: false,
		requestTimeout: 5000,
		middlewares: events ? [adapter()] : [],
	});
	broker.createService(service);
	await broker.start(); // SIGTERM stops it: the broker sees to that itself
}

module.exports = { run };
