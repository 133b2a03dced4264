"""The service's ports in memory, a clock that is set by hand, and passwords that cost nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from atoll.contracts import Unavailable
from atoll.security import RotationPolicy, SigningKey, TokenIssuer
from shop_auth.accounts import Account
from shop_auth.clients import Clients, read_clients
from shop_auth.granting import AccessTokens, ClientGrants, Grants, UserGrants
from shop_auth.key_ring import KeyRing
from shop_auth.registering import Registrar
from shop_auth.sessions import NotRenewed, RefreshTokens, Session, StoredToken
from shop_auth.throttle import Failures, Guard
from shop_contracts import UserId

NOW = 1_800_000_000.0
ROBOT = '{"robot": {"secret": "a-secret-of-a-robot", "scopes": ["payments:charge", "orders:read"], "roles": ["till"]}}'


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class FakePasswords:
    """Counts the work, so that tests see that it is equal."""

    def __init__(self) -> None:
        self.checked = 0
        self.hashed = 0

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return f"hash of {password}"

    async def matches(self, password: str, stored: str | None) -> bool:
        self.checked += 1
        return stored is not None and stored.removeprefix("old ") == f"hash of {password}"

    def outdated(self, stored: str) -> bool:
        return stored.startswith("old ")


class FakeAccounts:
    def __init__(self) -> None:
        self.kept: dict[str, Account] = {}

    async def add(self, account: Account) -> bool:
        if account.email in self.kept:
            return False
        self.kept[account.email] = account
        return True

    async def by_email(self, email: str) -> Account | None:
        return self.kept.get(email)

    async def by_id(self, user_id: UserId) -> Account | None:
        return next((one for one in self.kept.values() if one.user_id == user_id), None)

    async def set_roles(self, user_id: UserId, roles: frozenset[str]) -> Account | None:
        account = await self.by_id(user_id)
        if account is None:
            return None
        self.kept[account.email] = replace(account, roles=roles)
        return self.kept[account.email]

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        account = await self.by_id(user_id)
        if account is not None:
            self.kept[account.email] = replace(account, password_hash=password_hash)


@dataclass
class KeptToken:
    session_id: str
    expires_at: float
    used: bool = False


class FakeSessions:
    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.ended: set[str] = set()
        self.tokens: dict[bytes, KeptToken] = {}

    async def begin(self, session: Session, token: StoredToken) -> None:
        self.sessions[session.session_id] = session
        self.tokens[token.digest] = KeptToken(session.session_id, token.expires_at)

    async def find(self, digest: bytes, now: float) -> Session | NotRenewed:
        token = self.tokens.get(digest)
        if token is None or token.expires_at <= now or token.session_id in self.ended:
            return NotRenewed.UNKNOWN
        session = self.sessions[token.session_id]
        if session.expires_at <= now:
            return NotRenewed.UNKNOWN
        return NotRenewed.REUSED if token.used else session

    async def renew(self, digest: bytes, successor: StoredToken, now: float) -> Session | NotRenewed:
        found = await self.find(digest, now)
        if found is NotRenewed.REUSED:
            self.ended.add(self.tokens[digest].session_id)
        if isinstance(found, Session):
            self.tokens[digest].used = True
            self.tokens[successor.digest] = KeptToken(found.session_id, successor.expires_at)
        return found

    async def end(self, digest: bytes, user_id: UserId | None = None) -> None:
        token = self.tokens.get(digest)
        if token is not None and user_id in (None, self.sessions[token.session_id].user_id):
            self.ended.add(token.session_id)

    async def end_all(self, user_id: UserId) -> None:
        self.ended |= {one.session_id for one in self.sessions.values() if one.user_id == user_id}


class FakeAttempts:
    def __init__(self) -> None:
        self.kept: dict[str, Failures] = {}

    async def failures(self, keys: list[str]) -> dict[str, Failures]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def add(self, keys: list[str], now: float, window: float) -> None:
        for key in keys:
            before = self.kept.get(key)
            count = before.count if before and before.last_at >= now - window else 0
            self.kept[key] = Failures(count + 1, now)

    async def clear(self, key: str) -> None:
        self.kept.pop(key, None)


class FakeKeyStore:
    def __init__(self) -> None:
        self.kept: dict[int, SigningKey] = {}
        self.loads = 0
        self.away = False

    async def load(self) -> list[SigningKey]:
        self.loads += 1
        if self.away:
            raise Unavailable("the database is away")
        return list(self.kept.values())

    async def add(self, key: SigningKey) -> None:
        self.kept.setdefault(key.generation, key)

    async def remove(self, generation: int) -> None:
        self.kept.pop(generation, None)


@dataclass
class World:
    """The whole service on fakes."""

    clock: Clock = field(default_factory=Clock)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    passwords: FakePasswords = field(default_factory=FakePasswords)
    kept_sessions: FakeSessions = field(default_factory=FakeSessions)
    attempts: FakeAttempts = field(default_factory=FakeAttempts)
    key_store: FakeKeyStore = field(default_factory=FakeKeyStore)

    def __post_init__(self) -> None:
        guard = Guard(self.attempts, self.clock)
        self.registrar = Registrar(self.accounts, self.passwords, guard)
        self.sessions = RefreshTokens(self.kept_sessions, lifetime=1000, idle=300, clock=self.clock)
        self.keys = KeyRing(self.key_store, RotationPolicy(signs=1000, ahead=100, token_lifetime=60), self.clock)
        access = AccessTokens(self.keys, TokenIssuer("shop-auth", "shop", 60, self.clock))
        users = UserGrants(self.registrar, self.accounts, self.sessions, access)
        self.grants = Grants(users, ClientGrants(Clients(read_clients(ROBOT)), guard, access))
