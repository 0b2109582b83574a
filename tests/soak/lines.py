"""The numbered lines that a container of the soak writes, and whether a log of them is whole."""

import re

_LINE = re.compile(r"line (\d+)|end (\d+)")

PROGRAM = """\
trap 'echo "end $i"; exit 7' TERM
i=0
mkdir -p /www; echo "$GREETING" > /www/index.html; httpd -p 8080 -h /www
while :; do
  n=0
  while [ $n -lt 10 ]; do echo "line $i"; i=$((i+1)); n=$((n+1)); done
  sleep 0.2
done
"""
ENDED = 7  # its exit code when it ends in order


def fault(text: str, *, from_first: bool, lossy: bool = False, ended: bool = False) -> str | None:
    """Return what is wrong with a log, None if nothing is.

    Each run of the program counts from 0. *from_first*: the log is complete at its beginning. *lossy*: lines may lack
    or be torn. *ended*: the last run ended in order, so its last word must be there, with every line before it.
    """
    last: int | None = None if from_first else -1
    unknown_begin = not from_first
    final = False
    for row in text.splitlines():
        match = _LINE.fullmatch(row.rstrip("\r"))
        if not match:
            if lossy:
                continue
            return f"torn line {row!r} after line {last}"
        final = match[2] is not None
        number = int(match[1] or match[2])
        expected = {0} if last is None else {last + 1, 0}
        if final:
            expected |= {0 if last is None else last}  # the signal came before it counted on
        if number not in expected and not lossy and not unknown_begin:
            return f"{row!r} after line {last}"
        unknown_begin = False
        last = None if final else number
    if ended and not final and not lossy:
        return f"the program ended in order, but the log ends at line {last}"
    return None
