"""The role of those who publish APIs.

``lifecycle.py`` knows the states of an API and the moves between them, ``versions.py`` its versions (both pure).
"""
