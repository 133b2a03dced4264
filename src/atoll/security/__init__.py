"""Who asks: peers that show a secret, bearer tokens and the keys behind them, for those who verify and those who issue.

Its one type is `Identify`, the function that turns a request's headers into a `Caller`.
It must not import any room but `service` and `contracts`; joserfc is known to ``joserfc.py`` alone.
"""

from atoll.security.identity import Identify, make_identify
from atoll.security.issuer import IssuedToken, TokenIssuer
from atoll.security.joserfc import PrivateKey, PublicKey
from atoll.security.keys import RotationPolicy, SigningKey, SigningKeys
from atoll.security.peers import Peers, identity_headers, peer_header
from atoll.security.remote_keys import Fetch, RemoteKeys
from atoll.security.verifier import TokenVerifier

__all__ = [
    "Fetch",
    "Identify",
    "IssuedToken",
    "Peers",
    "PrivateKey",
    "PublicKey",
    "RemoteKeys",
    "RotationPolicy",
    "SigningKey",
    "SigningKeys",
    "TokenIssuer",
    "TokenVerifier",
    "identity_headers",
    "make_identify",
    "peer_header",
]
