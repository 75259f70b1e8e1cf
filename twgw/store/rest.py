"""Every view of the store's role, for ``/store/v1`` (``control.py``) and ``/admin/v1`` (``admin/``)."""

from twgw.store import applications, clients, keys, offers

ROLE = (offers.views, applications.views, keys.views, clients.views)
"""The views by what they are about."""
