"""The tables of the database. What makes them is ``migrations/``; a test holds the two equal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
    }
)


def _made() -> Column:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


# An isolated customer. Every change of its data raises revision, by which workers see that they are behind.
tenant = Table(
    "tenant",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, server_default="1"),
    _made(),
)

# API keys, as the SHA-256 of 256 random bits.
api_key = Table(
    "api_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenant.tenant_id", ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    _made(),
    Column("revoked_at", DateTime(timezone=True)),
)

# Versions of a tenant's configuration, as the bytes of canonical JSON (the order of variants counts). The highest is
# in force.
config = Table(
    "config",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("content_hash", Text, nullable=False),
    _made(),
)

# The catalogue.
item = Table(
    "item",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenant.tenant_id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", Text(collation="C"), primary_key=True),
    Column("tags", ARRAY(Text), nullable=False),
    Column("title", Text),
    Column("brand", Text),
    Column("category", Text),
    Column("price", Float),
    Column("created_at", DateTime(timezone=True)),
)

# What pseudonyms did in the past; the same event again is not kept twice. The catalogue need not know the item (yet).
event = Table(
    "event",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenant.tenant_id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Text(collation="C"), nullable=False),
    Column("item_id", Text(collation="C"), nullable=False),
    Column("event_type", Text, nullable=False),
    Column("ts", DateTime(timezone=True), nullable=False),
    Column("value", Float),
    Column("surface", Text),
    Index("uq_event", "tenant_id", "user_id", "item_id", "event_type", "ts", unique=True),
)
