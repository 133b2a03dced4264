"use strict";
// The gateway: verifies the token and calls the service.
const ApiGateway = require("moleculer-web");
const { createVerifier } = require("fast-jwt");
const { run } = require("./broker");

const verify = createVerifier({
	key: process.env.PUBLIC_KEY,
	algorithms: ["ES256"],
	allowedIss: "shop-auth",
	allowedAud: "shop",
	cache: 1000,
});
const { UnAuthorizedError } = ApiGateway.Errors;

run("gateway", {
	name: "gateway",
	mixins: [ApiGateway],
	settings: {
		ip: "127.0.0.1",
		port: Number(process.env.PORT),
		routes: [
			{ path: "/health", aliases: { "GET /": "gateway.health" }, bodyParsers: { json: false } },
			{
				path: "/",
				authorization: true,
				aliases: { "POST /orders": "orders.place", "POST /quote": "orders.quote" },
				mappingPolicy: "restrict",
				bodyParsers: { json: { strict: true, limit: "100kb" } },
			},
		],
	},
	dependencies: ["orders", "payments"],
	actions: { health: () => ({ status: "up" }) },
	methods: {
		async authorize(ctx, route, req) {
			const [kind, token] = (req.headers.authorization || "").split(" ");
			if (kind !== "Bearer") throw new UnAuthorizedError("NO_TOKEN");
			try {
				ctx.meta.customer = verify(token).sub;
			} catch {
				throw new UnAuthorizedError("INVALID_TOKEN");
			}
		},
	},
});
