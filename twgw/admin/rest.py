"""The admin REST, ``/admin/v1``: every view of it.  Handed to ``web/application.py`` by ``tap.py``."""

from twgw.admin import apis, applications, blocks, credentials, policies, records, tiers, users

ROLE = (
    apis.views, applications.views, credentials.views, tiers.views, policies.views, users.views, blocks.views,
    records.views,
)  # fmt: skip
"""The views by what they are about."""
