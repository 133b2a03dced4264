"""The shop's auth service: accounts, OAuth 2 tokens, and the keys that verify them, in a database of its own.

Its one type is `service`, which ``atoll serve shop_auth:service`` runs after ``atoll migrate shop_auth:service``.
It must not import another service; of the shop it knows `shop_contracts` alone.

A first login::

    curl -d '{"email": "ada@example.org", "password": "correct horse"}' -H 'content-type: application/json' \
        localhost:8080/auth/register
    curl -d grant_type=password -d username=ada@example.org --data-urlencode 'password=correct horse' \
        localhost:8080/auth/token

Passwords are argon2id hashes, refresh tokens are stored as SHA-256 and are good once, signing keys rotate by age and are
sealed with AUTH_KEY_SECRET. The settings, with their defaults, are the fields of `AuthSettings`. Wrong passwords cost
time by account and by address. Access tokens cannot be called back: logging out ends the session that would renew them.
"""

from shop_auth.service import service
from shop_auth.settings import AuthSettings

__all__ = ["AuthSettings", "service"]
