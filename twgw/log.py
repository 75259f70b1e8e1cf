"""The gateway's own log, for operators: the ``Log`` of ``policy/interfaces.py``, on Twisted's.  Made by ``tap.py``."""

from typing import Any

from twisted.logger import Logger, LogLevel


class TwistedLog:
    """Events of the namespace ``twgw``, of a level or above."""

    def __init__(self, level: str) -> None:
        self._logger = Logger(namespace="twgw")
        self._least = LogLevel.lookupByName(level)

    def info(self, text: str, **fields: Any) -> None:
        """Something worth knowing."""
        self._emit(LogLevel.info, text, fields)

    def warn(self, text: str, **fields: Any) -> None:
        """Something to look at."""
        self._emit(LogLevel.warn, text, fields)

    def error(self, text: str, **fields: Any) -> None:
        """Something broken."""
        self._emit(LogLevel.error, text, fields)

    def _emit(self, level: Any, text: str, fields: dict[str, Any]) -> None:
        if level >= self._least:
            self._logger.emit(level, text, **fields)
