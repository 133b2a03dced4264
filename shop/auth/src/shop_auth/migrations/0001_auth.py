"""Accounts, sessions with their refresh tokens, failed attempts, signing keys."""

from alembic import op

revision = "auth_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE accounts (
            user_id uuid PRIMARY KEY,
            email text NOT NULL UNIQUE,
            password_hash text NOT NULL,
            roles text[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE sessions (
            session_id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
            scopes text[] NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX sessions_of_user ON sessions (user_id)")
    op.execute("""
        CREATE TABLE refresh_tokens (
            digest bytea PRIMARY KEY CHECK (length(digest) = 32),
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            expires_at timestamptz NOT NULL,
            used_at timestamptz
        )
    """)
    op.execute("CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id)")
    op.execute("""
        CREATE TABLE failed_attempts (
            key text PRIMARY KEY,
            failures integer NOT NULL,
            last_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE signing_keys (
            generation integer PRIMARY KEY,
            kid text NOT NULL UNIQUE,
            signs_from timestamptz NOT NULL,
            sealed text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE signing_keys, failed_attempts, refresh_tokens, sessions, accounts")
