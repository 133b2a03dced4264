"""The shop, whole: the only file that names every service."""

from shop_contracts import Auth, Orders, Payments

from atoll.system import Gateway, Jwt, Nats, Postgres, Route, Service, System

system = System(
    "shop",
    services=(
        Service("auth", serve="shop_auth:service", source="auth", offers=(Auth,), database=True),
        Service("orders", serve="shop_orders:service", source="orders", offers=(Orders,), calls=("payments",), database=True, events=True),
        Service("payments", serve="shop_payments:service", source="payments", offers=(Payments,), database=True, events=True),
    ),
    gateway=Gateway(
        routes=(Route(Auth), Route(Orders)),
        jwt=Jwt("auth", issuer="shop-auth", audience="shop"),
        port=8080,
    ),
    postgres=Postgres(),
    nats=Nats(),
)
