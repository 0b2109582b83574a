"""A registry's refusals."""

import pytest

from yurt.distribution.errors import Refusal, RegistryUnavailable
from yurt.errors import Forbidden, InvalidArgument, NotFound, Unauthorized, YurtError


def body(code: str, message: str = "") -> bytes:
    return f'{{"errors": [{{"code": "{code}", "message": "{message}"}}]}}'.encode()


@pytest.mark.parametrize(
    ("status", "data", "text", "kind", "passing"),
    [
        (
            404,
            body("MANIFEST_UNKNOWN", "manifest unknown"),
            "manifest unknown: manifest unknown",
            NotFound,
            False,
        ),
        (403, body("DENIED"), "denied", Forbidden, False),
        (401, b"", "unexpected status 401", Unauthorized, False),
        (429, body("TOOMANYREQUESTS", "slow down"), "toomanyrequests: slow down", RegistryUnavailable, True),
        (502, b"<html>", "unexpected status 502", RegistryUnavailable, True),
        (400, body("NEW_CODE", "x"), "new code: x", InvalidArgument, False),
        (418, b'{"errors": []}', "unexpected status 418", RegistryUnavailable, False),
        (404, b"[1]", "unexpected status 404", NotFound, False),
        (404, b'{"errors": ["x"]}', "unexpected status 404", NotFound, False),
        (404, b"\xff", "unexpected status 404", NotFound, False),
    ],
)
def test_a_refusal_has_a_sentence_and_a_kind(
    status: int, data: bytes, text: str, kind: type[YurtError], passing: bool
) -> None:
    """By its code, or where there is none by its status, whatever the body is."""
    refusal = Refusal.parse(status, data)
    assert (str(refusal), refusal.kind, refusal.is_passing) == (text, kind, passing)
