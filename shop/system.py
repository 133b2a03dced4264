"""The shop, whole: the only file that names every service."""

from atoll.system import Gateway, Jwt, Nats, Postgres, Route, Service, Slo, System
from shop_contracts import Auth, Inventory, Orders, Payments

system = System(
    "shop",
    services=(
        Service("auth", serve="shop_auth:service", source="auth", offers=(Auth,), database=True),
        Service(
            "orders",
            serve="shop_orders:service",
            source="orders",
            offers=(Orders,),
            calls=("payments", "inventory"),
            database=True,
            events=True,
        ),
        Service(
            "payments", serve="shop_payments:service", source="payments", offers=(Payments,), database=True, events=True
        ),
        Service(
            "inventory",
            serve="shop_inventory:service",
            source="inventory",
            offers=(Inventory,),
            database=True,
            events=True,
        ),
    ),
    gateway=Gateway(
        routes=(Route(Auth), Route(Orders), Route(Inventory)),
        jwt=Jwt("auth", issuer="shop-auth", audience="shop"),
        port=8080,
    ),
    postgres=Postgres(),
    broker=Nats(),
    slos=(
        Slo(Orders.place, availability=99.9, latency=0.5),
        Slo(Orders.get, availability=99.9, latency=0.25),
        Slo(Auth.token, availability=99.9, latency=1.0),  # a password's hash takes long on purpose
        Slo("payments", availability=99.5),  # its provider is somebody else's
    ),
    hints=(
        """curl -s {gateway}/auth/register -H 'content-type: application/json' -d '{"email": "ada@example.com", "password": "correct horse battery"}'""",
        """TOKEN=$(curl -s {gateway}/auth/token -d grant_type=password -d username=ada@example.com -d 'password=correct horse battery' | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')""",
        """ORDER=$(curl -s {gateway}/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"items": [{"sku": "A1", "quantity": 2}], "currency": "EUR"}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')""",
        """curl -s {gateway}/orders/$ORDER -H "authorization: Bearer $TOKEN\"""",
        """curl -s {gateway}/quote -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"items": [{"sku": "B2", "quantity": 1}], "currency": "EUR"}'""",
    ),
)
