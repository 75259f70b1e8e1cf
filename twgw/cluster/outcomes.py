"""Errors as they go over a connection between nodes, and as they come.  Used by ``protocol.py`` and ``links.py``."""

from OpenSSL import SSL
from twisted.protocols import amp
from twisted.python.failure import Failure

from twgw.cluster.commands import ERRORS, Broken, Lost, Unknown


def told(error: BaseException | None) -> amp.RemoteAmpError:
    """One of ERRORS as AMP sends it without ending the connection."""
    code = next(code for kind, code in ERRORS.items() if isinstance(error, kind))
    return amp.RemoteAmpError(code, str(error)[:1000], False)


def understood(failure: Failure) -> Failure:
    """An error that came, or the end of the connection, as what ``ask`` promises."""
    if failure.check(*ERRORS, Lost):
        return failure
    if failure.check(amp.UnhandledCommand):
        return Failure(Unknown("the peer does not know this command"))
    if failure.check(amp.RemoteAmpError):
        return Failure(Broken("the peer failed over it"))
    return Failure(Lost(words(failure)))


def words(reason: Failure) -> str:
    """Why a connection ended, in a few words."""
    error = reason.value
    if isinstance(error, SSL.Error):
        said = [entry[-1] for entry in (error.args or [[]])[0]]
        return ", ".join(said) or "the handshake failed"
    return str(error).rstrip(".") or type(error).__name__
