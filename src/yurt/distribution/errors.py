"""What a registry's refusals mean here. One table: its codes (distribution specification, Error codes) to our kinds."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from yurt.errors import (
    Conflict,
    Forbidden,
    InvalidArgument,
    NotFound,
    Unauthorized,
    Unavailable,
    Unimplemented,
    YurtError,
)


class RegistryUnavailable(Unavailable):
    """No registry answers there, or not now: it is the other end that does not do its part."""


_BY_CODE: Mapping[str, type[YurtError]] = {
    "UNAUTHORIZED": Unauthorized,
    "DENIED": Forbidden,
    "NAME_UNKNOWN": NotFound,
    "MANIFEST_UNKNOWN": NotFound,
    "BLOB_UNKNOWN": NotFound,
    "NAME_INVALID": InvalidArgument,
    "TAG_INVALID": InvalidArgument,
    "MANIFEST_INVALID": InvalidArgument,
    "DIGEST_INVALID": InvalidArgument,
    "SIZE_INVALID": InvalidArgument,
    "UNSUPPORTED": Unimplemented,
    "TOOMANYREQUESTS": RegistryUnavailable,
}
_BY_STATUS: Mapping[int, type[YurtError]] = {
    400: InvalidArgument,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Unimplemented,
    409: Conflict,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A registry's answer that is no success. *code* is empty when it sent none."""

    status: int
    code: str
    message: str

    @classmethod
    def parse(cls, status: int, body: bytes) -> "Refusal":
        """Read the first error of the answer's body, which may be anything."""
        try:
            document = msgspec.json.decode(body)
            first = document["errors"][0]
            return cls(status, str(first.get("code", "")), str(first.get("message", "")))
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
            return cls(status, "", "")

    def __str__(self) -> str:
        """The sentence as Docker composes it: ``manifest unknown: manifest unknown``."""
        if not self.code:
            return f"unexpected status {self.status}"
        words = self.code.lower().replace("_", " ")
        return f"{words}: {self.message}" if self.message else words

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status == 429 or self.status >= 500

    @property
    def kind(self) -> type[YurtError]:
        return _BY_CODE.get(self.code) or _BY_STATUS.get(self.status) or RegistryUnavailable
