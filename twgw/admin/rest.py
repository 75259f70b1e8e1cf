"""Every view of the admin's role.  ``service.py`` puts them below ``/admin/v1``, with those of publisher and store."""

from twgw.admin import blocks, nodes, policies, records, tiers, users

ROLE = (tiers.views, policies.views, users.views, blocks.views, nodes.views, records.views)
"""The views by what they are about."""
