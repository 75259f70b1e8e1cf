"""What goes wrong comes to whoever asked in few words, and in one of four kinds."""

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.protocols.amp import RemoteAmpError, UnhandledCommand, UnknownRemoteError
from twisted.python.failure import Failure

from twgw.cluster.commands import Away, Broken, Lost, Refused, Unknown
from twgw.cluster.outcomes import told, understood, words


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused("no"), Refused), (Away("no"), Away), (Lost("no"), Lost), (UnhandledCommand(), Unknown),
        (UnknownRemoteError("x"), Broken), (RemoteAmpError(b"X", "x"), Broken), (ConnectionDone(), Lost),
        (KeyError("size"), Lost),
    ],
)  # fmt: skip
def test_every_failure_is_one_that_is_expected(error, kind):
    """An answer that makes no sense is as good as none."""
    assert kind is type(understood(Failure(error)).value)


def test_an_error_goes_without_ending_the_connection():
    """With its text, not without end."""
    sent = told(Refused("x" * 5000))

    assert (b"REFUSED", 1000, False) == (sent.errorCode, len(sent.description), sent.fatal)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SSL.Error([("SSL routines", "", "certificate unknown")]), "certificate unknown"),
        (SSL.Error(), "the handshake failed"), (ConnectionDone(), "Connection was closed cleanly"),
        (KeyError(), "KeyError"),
    ],
)  # fmt: skip
def test_why_a_connection_ended_is_said_in_words(error, text):
    """Those of OpenSSL come without their codes."""
    assert text == words(Failure(error))
