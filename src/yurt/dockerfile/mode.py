"""Permissions as ``--chmod`` gives them: octal, or the symbolic form of chmod(1). Pure.

Facts: https://docs.docker.com/reference/dockerfile/#copy---chmod; POSIX chmod, "extended description".
"""

import re
from dataclasses import dataclass

UMASK = 0o022  # what a clause that names nobody (+w) leaves alone
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_SET_ID = {"u": 0o4000, "g": 0o2000}
_STICKY = 0o1000
_EXECUTABLE = 0o111


@dataclass(frozen=True, slots=True)
class _Change:
    """*who*: some of ``ugo``, empty when the clause names nobody."""

    who: str
    operator: str
    permissions: str

    def apply(self, mode: int, *, folder: bool) -> int:
        touched, value = 0, 0
        for name in self.who or "ugo":
            touched |= (7 << _SHIFTS[name]) | _SET_ID.get(name, _STICKY)
            value |= self._bits(mode, folder=folder) << _SHIFTS[name]
            if "s" in self.permissions:
                value |= _SET_ID.get(name, 0)
            if "t" in self.permissions and name == "o":
                value |= _STICKY
        if not self.who:
            value &= ~UMASK
        match self.operator:
            case "+":
                return mode | value
            case "-":
                return mode & ~value
            case _:
                return (mode & ~touched) | value

    def _bits(self, mode: int, *, folder: bool) -> int:
        if self.permissions in _SHIFTS:  # as somebody else has it: g=u
            return (mode >> _SHIFTS[self.permissions]) & 7
        bits = sum(bit for letter, bit in _BITS.items() if letter in self.permissions)
        if "X" in self.permissions and (folder or mode & _EXECUTABLE):
            bits |= 1
        return bits


@dataclass(frozen=True, slots=True)
class FileMode:
    """What becomes of permissions. *text* is how it was written, octal ones without zeros in front."""

    text: str
    octal: int | None
    changes: tuple[_Change, ...] = ()

    def apply(self, mode: int, *, folder: bool = False) -> int:
        """Return the permission bits of a file (or *folder*) that had *mode*."""
        if self.octal is not None:
            return self.octal
        for change in self.changes:
            mode = change.apply(mode, folder=folder)
        return mode


def parse_mode(text: str) -> FileMode:
    """Return the mode that *text* (``755``, ``u=rwX,go=rX``) asks for; raise ValueError when it is none."""
    if re.fullmatch(r"[0-7]{1,5}", text) and int(text, 8) <= 0o7777:
        return FileMode(f"{int(text, 8):o}", int(text, 8))
    changes: list[_Change] = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise ValueError("not a mode: neither octal, such as 755, nor symbolic, such as u=rwX,go=rX")
        who = "ugo" if "a" in found[1] else "".join(dict.fromkeys(found[1]))
        changes += [
            _Change(who, operator, permissions) for operator, permissions in _ACTION.findall(found[2])
        ]
    return FileMode(text, None, tuple(changes))
