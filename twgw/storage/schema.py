"""The tables.  Used by the query functions beside it; ``migrations/`` brings a database to them, and a test compares.

Names are compared by their bytes on every database; times are UNIX seconds; documents are JSON as text.
A column ``stamp`` counts the changes of a row.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import LONGTEXT

MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LongText = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
Name = String(100)
ApiId = String(201)
Digest = String(80)


def _table(name: str, *parts: Any) -> Table:
    table: Table = Table(name, metadata, *parts, **MYSQL)
    return table


def _required(name: str, kind: Any, *more: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, *more, nullable=False, **options)


# --- the cluster log ---

cluster_head = _table(
    "cluster_head",
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("epoch", BigInteger),
    _required("pos", BigInteger),
)

cluster_log = _table(
    "cluster_log",
    _required("epoch", BigInteger),
    _required("pos", BigInteger),
    _required("kind", String(20)),
    _required("tag", String(310)),
    _required("data", LongText),
    _required("at", Double),
    PrimaryKeyConstraint("epoch", "pos"),
)

km_session = _table(
    "km_session",
    Column("session", String(32), primary_key=True),
    _required("node", Name),
    _required("since", Double),
    _required("beats", BigInteger),
    _required("done_epoch", BigInteger),
    _required("done_pos", BigInteger),
    Column("counting", LongText),
    Column("report", LongText),
    Column("address", String(300)),
)

removed_node = _table("removed_node", Column("node", Name, primary_key=True), _required("at", Double))

node_certificate = _table(
    "node_certificate",
    Column("serial", String(40), primary_key=True),
    _required("node", Name),
    _required("issued_at", Double),
    _required("ends_at", Double),
    Index(None, "node"),
    Index(None, "ends_at"),
)

# --- what was counted against long limits ---

counted = _table(
    "counted",
    _required("place", Name),
    _required("counter", String(48)),
    _required("used", BigInteger),
    _required("ends", Double),
    PrimaryKeyConstraint("place", "counter"),
    Index(None, "ends"),
)

# --- what is served ---

tier = _table(
    "tier",
    Column("name", Name, primary_key=True),
    _required("document", LongText),
    _required("tag", Name),
    _required("created_at", Double),
    _required("updated_at", Double),
    _required("stamp", Integer),
)

api = _table(
    "api",
    Column("id", ApiId, primary_key=True),
    _required("name", Name),
    _required("version", Name),
    _required("state", String(20)),
    _required("latest", Integer),
    Column("live", Integer),
    _required("default_version", Boolean),
    _required("owner", Name),
    Column("deprecated_at", Double),
    Column("sunset_at", Double),
    Column("successor", String(500)),
    Column("documentation", String(500)),
    _required("tag", Name),
    _required("created_at", Double),
    _required("updated_at", Double),
    _required("stamp", Integer),
    UniqueConstraint("name", "version"),
)

api_revision = _table(
    "api_revision",
    _required("api", ApiId, ForeignKey("api.id", ondelete="CASCADE")),
    _required("revision", Integer),
    _required("document", LongText),
    Column("source", LongText),
    _required("note", String(500)),
    _required("author", Name),
    _required("at", Double),
    PrimaryKeyConstraint("api", "revision"),
)

api_state_change = _table(
    "api_state_change",
    _required("api", ApiId, ForeignKey("api.id", ondelete="CASCADE")),
    _required("seq", Integer),
    Column("before_state", String(20)),
    _required("after_state", String(20)),
    _required("actor", Name),
    _required("at", Double),
    PrimaryKeyConstraint("api", "seq"),
)

setting = _table(
    "setting",
    Column("name", Name, primary_key=True),
    _required("document", LongText),
    _required("updated_at", Double),
    _required("stamp", Integer),
)

# --- who calls ---

application = _table(
    "application",
    Column("name", Name, primary_key=True),
    _required("title", String(200)),
    _required("description", LongText),
    _required("owner", Name),
    Column("tier", Name),
    _required("state", String(20)),
    _required("attributes", LongText),
    _required("revoked_before_pos", BigInteger),
    _required("tag", Name),
    _required("created_at", Double),
    _required("updated_at", Double),
    _required("stamp", Integer),
    Index(None, "owner"),
)

subscription = _table(
    "subscription",
    _required("application", Name, ForeignKey("application.name", ondelete="CASCADE")),
    _required("api", ApiId, ForeignKey("api.id")),
    Column("tier", Name),
    _required("state", String(20)),
    _required("created_at", Double),
    _required("updated_at", Double),
    _required("stamp", Integer),
    PrimaryKeyConstraint("application", "api"),
    Index(None, "api"),
)

user = _table(
    "user_account",
    Column("name", Name, primary_key=True),
    _required("title", String(200)),
    _required("email", String(254)),
    _required("store", Name),
    Column("password_hash", String(300)),
    _required("active", Boolean),
    _required("revoked_before_pos", BigInteger),
    _required("created_at", Double),
    _required("updated_at", Double),
    _required("stamp", Integer),
)

user_role = _table(
    "user_role",
    _required("user_name", Name, ForeignKey("user_account.name", ondelete="CASCADE")),
    _required("role", String(20)),
    PrimaryKeyConstraint("user_name", "role"),
)

user_group = _table(
    "user_group",
    _required("user_name", Name, ForeignKey("user_account.name", ondelete="CASCADE")),
    _required("group_name", Name),
    PrimaryKeyConstraint("user_name", "group_name"),
)

login_session = _table(
    "login_session",
    Column("digest", Digest, primary_key=True),
    _required("user_name", Name, ForeignKey("user_account.name", ondelete="CASCADE")),
    _required("data", LongText),
    _required("created_at", Double),
    _required("seen_at", Double),
    _required("expires_at", Double),
    Index(None, "user_name"),
    Index(None, "expires_at"),
)

credential = _table(
    "credential",
    Column("digest", Digest, primary_key=True),
    _required("kind", String(20)),
    _required("id", ApiId),
    _required("application", Name, ForeignKey("application.name", ondelete="CASCADE")),
    Column("user_name", Name),
    _required("title", String(200)),
    _required("environment", String(20)),
    _required("scopes", LongText),
    Column("expires_at", Double),
    _required("issued_pos", BigInteger),
    Column("revoked_pos", BigInteger),
    _required("created_at", Double),
    Column("last_used_at", Double),
    Column("data", LongText),
    UniqueConstraint("kind", "id"),
    Index(None, "application"),
    Index(None, "user_name"),
)

client = _table(
    "client",
    Column("id", Name, primary_key=True),
    _required("application", Name, ForeignKey("application.name", ondelete="CASCADE")),
    _required("environment", String(20)),
    _required("digest", Digest),
    _required("settings", LongText),
    _required("issued_pos", BigInteger),
    Column("revoked_pos", BigInteger),
    _required("created_at", Double),
    _required("stamp", Integer),
    Index(None, "application"),
)

token = _table(
    "token",
    Column("digest", Digest, primary_key=True),
    _required("kind", String(20)),
    _required("application", Name, ForeignKey("application.name", ondelete="CASCADE")),
    _required("client", Name),
    Column("user_name", Name),
    _required("environment", String(20)),
    _required("scopes", LongText),
    _required("family", String(64)),
    _required("data", LongText),
    _required("issued_at", Double),
    _required("expires_at", Double),
    _required("issued_pos", BigInteger),
    Column("used_at", Double),
    Column("revoked_pos", BigInteger),
    Index(None, "family"),
    Index(None, "application"),
    Index(None, "user_name"),
    Index(None, "expires_at"),
)

block = _table(
    "block",
    _required("kind", String(20)),
    _required("value", ApiId),
    _required("reason", String(500)),
    _required("actor", Name),
    _required("at", Double),
    Column("expires_at", Double),
    PrimaryKeyConstraint("kind", "value"),
)

# --- the control plane's own ---

audit_head = _table(
    "audit_head",
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("seq", BigInteger),
    _required("hash", String(64)),
)

audit = _table(
    "audit",
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _required("at", Double),
    _required("actor", Name),
    _required("action", Name),
    _required("subject", String(310)),
    _required("before_text", LongText),
    _required("after_text", LongText),
    _required("hash", String(64)),
    Index(None, "subject"),
)

secret_key = _table(
    "secret_key",
    _required("kind", String(20)),
    _required("version", Integer, autoincrement=False),
    _required("material", LongText),
    _required("created_at", Double),
    Column("retire_at", Double),
    PrimaryKeyConstraint("kind", "version"),
)

idempotency = _table(
    "idempotency",
    _required("actor", Name),
    _required("id_key", Name),
    _required("request_hash", String(64)),
    _required("status", Integer),
    _required("response", LongText),
    _required("at", Double),
    PrimaryKeyConstraint("actor", "id_key"),
    Index(None, "at"),
)
