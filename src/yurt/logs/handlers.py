"""Handlers: where records go. Containers want them on standard output; the engine keeps and rotates them."""

import logging
import sys
from typing import Any, TextIO


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Write each record to what standard output is at that moment, in a single write, flushed.

    A stream that can't encode a character (``LANG=C``) gets it escaped rather than losing the record.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + self.terminator
            stream: Any = sys.stdout
            if stream is None:  # pythonw, or a daemon that closed it
                return
            try:
                stream.write(line)
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)
