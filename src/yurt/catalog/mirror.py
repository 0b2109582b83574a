"""Which Debian mirror to use: what the host's own apt uses, else the standard one. Pure: texts in, values out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STANDARD = "http://deb.debian.org/debian"
STANDARD_SECURITY = "http://deb.debian.org/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITES = re.compile(
    r"(bookworm|trixie|stable|oldstable|testing|bullseye|forky)(-updates|-security)?(/updates)?"
)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where packages come from. *security* None: the mirror has no security suite beside it."""

    main: str
    security: str | None

    def sources(self, suite: str) -> str:
        """Return the deb822 text of /etc/apt/sources.list.d/debian.sources for *suite*."""
        text = _stanza(self.main, f"{suite} {suite}-updates" if self.security else suite)
        return f"{text}\n{_stanza(self.security, f'{suite}-security')}" if self.security else text

    def lines(self, suite: str) -> tuple[str, ...]:
        """Return the same as one-line entries, for mmdebstrap."""
        lines = [f"deb {self.main} {suite} main"]
        if self.security:
            lines += [f"deb {self.main} {suite}-updates main", f"deb {self.security} {suite}-security main"]
        return tuple(lines)


def _stanza(uri: str, suites: str) -> str:
    return f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"


def chosen_mirror(setting: str | None, apt_texts: Iterable[str]) -> Mirror:
    """Return the mirror that *setting* names, else the one in the host's apt sources, else the standard one.

    A mirror that was set is taken to hold the main archive only, unless it is the standard one.
    """
    if setting is not None:
        standard = setting.rstrip("/") == STANDARD
        return Mirror(setting.rstrip("/"), STANDARD_SECURITY if standard else None)
    main = security = None
    for uri, suite in (pair for text in apt_texts for pair in entries(text)):
        if (match := _SUITES.fullmatch(suite)) is None or not uri.startswith(("http://", "https://")):
            continue
        if match[2] == "-security":
            security = security or uri.rstrip("/")
        else:
            main = main or uri.rstrip("/")
    if main is None:
        return Mirror(STANDARD, STANDARD_SECURITY)
    return Mirror(main, security or (STANDARD_SECURITY if main == STANDARD else None))


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield (URI, suite) of each enabled binary source in *text*, one-line or deb822 form."""
    if re.search(r"(?im)^types:", text):
        yield from _deb822(text)
        return
    for line in text.splitlines():
        words = re.sub(r"\[[^\]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            yield words[1], words[2]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[last] = f"{fields.get(last, '')} {line.strip()}"
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite
