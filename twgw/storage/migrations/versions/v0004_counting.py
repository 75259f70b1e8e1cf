"""Which gateways count limits together, in the sessions of key managers."""

from alembic import op
from sqlalchemy import Column, Text, inspect
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is missing."""
    known = {column["name"] for column in inspect(op.get_bind()).get_columns("km_session")}
    if "counting" not in known:
        op.add_column("km_session", Column("counting", Text().with_variant(LONGTEXT(), "mysql", "mariadb")))
