"""Path patterns as Go's ``filepath.Match`` has them, and ``**`` as .dockerignore adds it, to regular expressions."""

import re


def has_wildcards(pattern: str) -> bool:
    """Say whether *pattern* can match more than one path."""
    return any(char in pattern for char in "*?[\\")


def translate(pattern: str, *, deep: bool = False) -> str:
    """Return the regular expression (to be matched in full) of *pattern*.

    ``*`` and ``?`` stop at a slash, ``[a-z]`` and ``[^a-z]`` are classes, a backslash takes the next character
    literally. *deep*: ``**`` matches any number of folders. Raises ValueError when the pattern is malformed.
    """
    out: list[str] = []
    index, length = 0, len(pattern)
    while index < length:
        char = pattern[index]
        index += 1
        if char == "*":
            if deep and pattern[index : index + 1] == "*":
                index += 1
                while pattern[index : index + 1] == "*":
                    index += 1
                if pattern[index : index + 1] == "/":
                    index += 1
                    out.append("(?:.*/)?")
                else:
                    out.append(".*")
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, index = _class(pattern, index)
            out.append(text)
        elif char == "\\":
            if index >= length:
                raise ValueError("a backslash at the end")
            out.append(re.escape(pattern[index]))
            index += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _class(pattern: str, index: int) -> tuple[str, int]:
    """Return the expression of the class that starts at *index* (behind the bracket) and the index behind it."""
    negated = pattern[index : index + 1] == "^"
    index += negated
    ranges: list[str] = []
    while pattern[index : index + 1] != "]" or not ranges:
        low, index = _member(pattern, index)
        high = low
        if pattern[index : index + 1] == "-":
            high, index = _member(pattern, index + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # an empty range matches nothing
    body = "".join(ranges)
    if not body:
        return ("[^/]" if negated else r"[^\s\S]"), index + 1
    return (f"(?!/)[^{body}]" if negated else f"(?!/)[{body}]"), index + 1


def _member(pattern: str, index: int) -> tuple[str, int]:
    char = pattern[index : index + 1]
    if char == "\\":
        index += 1
        char = pattern[index : index + 1]
    elif char in {"-", "]"}:
        raise ValueError("a malformed [class]")
    if not char:
        raise ValueError("a [class] without an end")
    return char, index + 1
