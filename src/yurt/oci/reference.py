"""Reference: the name of an image, ``registry/repository[:tag][@digest]``, with Docker's shorthands.

A name without a registry means Docker Hub, and a Hub name without a namespace means ``library/``. `str`
gives the familiar form that people type, `canonical` the full one; both parse back to the same value.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest

HUB = "docker.io"
LIBRARY = "library/"
DEFAULT_TAG = "latest"
MAX_NAME = 255

_HOST = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_REGISTRY = re.compile(rf"(?:{_HOST}(?:\.{_HOST})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?", re.ASCII)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HEX_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name, checked. *tag* is empty when none was given; a digest outranks a tag."""

    registry: str  # "docker.io", "localhost:5000"
    repository: str  # "library/debian"
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference in *text*; raise InvalidArgument, saying which part is wrong."""
        name, at, digest_text = text.partition("@")
        try:
            digest = Digest.parse(digest_text) if at else None
        except InvalidArgument as error:
            raise _invalid(text, f"{digest_text!r} is not a digest") from error
        slash, colon = name.rfind("/"), name.rfind(":")
        tag = ""
        if colon > slash:
            name, tag = name[:colon], name[colon + 1 :]
            if not _TAG.fullmatch(tag):
                raise _invalid(text, f"{tag!r} is not a tag")
        if not name:
            raise _invalid(text, "the name is empty")
        registry, repository = _split(name)
        if not _REGISTRY.fullmatch(registry):
            raise _invalid(text, f"{registry!r} is not a registry's host")
        if not _REPOSITORY.fullmatch(repository):
            reason = "repository name must be lowercase" if repository != repository.lower() else ""
            raise _invalid(text, reason or f"{repository!r} is not a repository's name")
        if len(registry) + 1 + len(repository) > MAX_NAME:
            raise _invalid(text, f"a name has at most {MAX_NAME} characters")
        if _HEX_ID.fullmatch(name):
            raise _invalid(text, "a name cannot be 64 hexadecimal digits, that is an image id")
        return cls(registry, repository, tag, digest)

    @property
    def familiar_name(self) -> str:
        """The name as people type it: ``debian`` for ``docker.io/library/debian``."""
        if self.registry != HUB:
            return f"{self.registry}/{self.repository}"
        # Shortened only as far as it comes back as the same name: library/a/b is not a/b, and a namespace
        # that looks like a host needs the Hub's name before it.
        for short in (self.repository.removeprefix(LIBRARY), self.repository):
            if _split(short) == (HUB, self.repository):
                return short
        return self.canonical_name

    @property
    def canonical_name(self) -> str:
        """The name with nothing left out, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def canonical(self) -> str:
        """The reference with nothing left out: the form that is stored."""
        return self.canonical_name + self._suffix

    def __str__(self) -> str:
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> Self:
        """Return this reference with ``latest`` where it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> Self:
        """Return the same repository at *tag*, no digest."""
        if not _TAG.fullmatch(tag):
            raise _invalid(f"{self.familiar_name}:{tag}", f"{tag!r} is not a tag")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Self:
        """Return the same repository at *digest*, no tag."""
        return replace(self, tag="", digest=digest)


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, repository = (first, rest) if is_host else (HUB, name)
    if registry == "index.docker.io":
        registry = HUB
    if registry == HUB and "/" not in repository:
        repository = LIBRARY + repository
    return registry, repository


def _invalid(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"invalid reference format: {text!r}: {why}",
        hint="a reference is [registry/]name[:tag][@sha256:…], the name in lower case",
    )
