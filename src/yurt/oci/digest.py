"""Digest: a content address, ``algorithm:hex`` (OCI image specification, descriptor.md, Digests)."""

import hashlib
import re
from typing import Self

from yurt.errors import InvalidArgument

_FORM = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Digest(str):
    """A checked digest; also plain text, so it serves as a key and in JSON as it is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the digest in *text*; raise InvalidArgument when it is not ``sha256:`` or ``sha512:`` and its digits."""
        if not _FORM.fullmatch(text):
            raise InvalidArgument(
                f"invalid digest {text!r}", hint="a digest is sha256: and 64 hexadecimal digits"
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the sha256 digest of *data*."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The twelve digits shown to people."""
        return self.hex[:12]
