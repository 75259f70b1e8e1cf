"""Tests of twgw.log."""

from twgw.log import TwistedLog


def test_the_log_has_a_least_level():
    """What is below it is not written."""
    log, written = TwistedLog("warn"), []
    log._logger.emit = lambda level, text, **fields: written.append(text)
    log.info("a")
    log.warn("b")  # noqa: G010 - not logging's
    log.error("c")

    assert ["b", "c"] == written
