"""The role of those who use APIs: what there is, and the right to call it.

``catalog.py`` knows who may see an API and how it is found, ``subscriptions.py`` who may subscribe to it (both pure).
``rest.py`` has the views.
"""
