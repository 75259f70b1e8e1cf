"""Every view of the publisher's role, for ``/publisher/v1`` (``control.py``) and ``/admin/v1`` (``admin/``)."""

from twgw.publisher import apis, documents, moves, revisions, subscribers

ROLE = (apis.views, revisions.views, moves.views, documents.views, subscribers.views)
"""The views by what they are about."""
