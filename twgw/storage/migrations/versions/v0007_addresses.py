"""Where key managers reach each other, in their sessions."""

from alembic import op
from sqlalchemy import Column, String, inspect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing."""
    if "address" not in {each["name"] for each in inspect(op.get_bind()).get_columns("km_session")}:
        op.add_column("km_session", Column("address", String(300)))
