"""The form of names that people give: an application's, a tier's, a user's name is its id, and never changes.  Pure."""

import re
from typing import Any

from attrs import validators

from twgw.settings import setting

PATTERN = r"[A-Za-z0-9._@-]([A-Za-z0-9._@ -]{0,98}[A-Za-z0-9._@-])?"
"""1 to 100 letters, digits, ``.``, ``_``, ``-``, ``@`` and blanks, these not at the ends."""
is_name = validators.matches_re(PATTERN)
FAULT = "must be 1 to 100 letters, digits, '.', '_', '-', '@' and blanks, none of these around"


def well_formed(text: str) -> bool:
    """Whether a text has the form of a name."""
    return re.fullmatch(PATTERN, text, re.ASCII) is not None


def name(meaning: str) -> Any:
    """A setting that is such a name."""
    return setting(meaning, validator=is_name)


def optional_name(meaning: str) -> Any:
    """The same, or nothing."""
    return setting(meaning, default=None, validator=validators.optional(is_name))


def names(meaning: str) -> Any:
    """A setting that is such names, or none."""
    return setting(meaning, default=(), validator=validators.deep_iterable(is_name))


def text(meaning: str, most: int) -> Any:
    """A setting that is a text for people, in one line or several, of a length that the database holds."""
    return setting(meaning, default="", validator=validators.max_len(most))
