"""Tenants, keys, configurations, catalogue and events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def _made() -> sa.Column:
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _tenant(*, primary_key: bool = False) -> sa.Column:
    key = sa.ForeignKey("tenant.tenant_id", ondelete="CASCADE")
    return sa.Column("tenant_id", sa.Text, key, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="1"),
        _made(),
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text, primary_key=True),
        _tenant(),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        _made(),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "config",
        _tenant(primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        _made(),
    )
    op.create_table(
        "item",
        _tenant(primary_key=True),
        sa.Column("item_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("brand", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("price", sa.Float),
        sa.Column("created_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "event",
        _tenant(),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("item_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("surface", sa.Text),
    )
    op.create_index(
        "uq_event", "event", ["tenant_id", "user_id", "item_id", "event_type", "ts"], unique=True
    )  # fmt: skip


def downgrade() -> None:
    """Remove the tables, and what is in them."""
    for table in ("event", "item", "config", "api_key", "tenant"):
        op.drop_table(table)
