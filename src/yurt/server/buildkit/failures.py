"""A failed build as a gRPC status: the message people read, and the lines of the Dockerfile it is about."""

import base64

import msgspec

from yurt.dockerfile.excerpt import line_of, statement_at, without_place
from yurt.engine.build.execute import StepFailed
from yurt.errors import YurtError
from yurt.server.buildkit.grpc import UNKNOWN, GrpcError, status_of
from yurt.server.buildkit.messages import Any, Status

SOURCE = "github.com/moby/buildkit/errdefs.Source+json"


def failure(error: YurtError, *, name: str, dockerfile: bytes) -> GrpcError:
    """Return *error* as a client of BuildKit expects it; *name* is the Dockerfile's, *dockerfile* its content.

    The engine puts file and line before its messages. Here they become a detail, from which clients print an
    excerpt, and a failed RUN is told in the words that BuildKit has for it.
    """
    status = status_of(error)
    message = (
        f"process {_quoted(error.argv)} did not complete successfully: exit code: {error.exit_code}"
        if (isinstance(error, StepFailed))
        else status.message
    )
    line = line_of(status.message, name)
    if line is None or not dockerfile:
        return GrpcError(Status(status.code, message))
    source = Any(SOURCE, _source(name, dockerfile, line))
    return GrpcError(Status(UNKNOWN, without_place(message, name), (source,)))


def _quoted(argv: tuple[str, ...]) -> str:
    return '"' + " ".join(argv).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _source(name: str, dockerfile: bytes, line: int) -> bytes:
    first, last = statement_at(dockerfile, line)
    places = [{"line": number} for number in range(first, last + 1)]
    return msgspec.json.encode(
        {
            "info": {"filename": name, "data": base64.b64encode(dockerfile).decode()},
            "ranges": [{"start": place, "end": place} for place in places],
        }
    )
