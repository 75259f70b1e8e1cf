"""The role of those who publish APIs.

``lifecycle.py`` knows the states of an API and the moves between them, ``versions.py`` its versions,
``openapi_document.py`` and ``openapi.py`` how one is described (all of them pure).  ``rest.py`` has the views;
``serving.py`` is what every change goes through.
"""
