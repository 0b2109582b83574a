"""`yurt compose build --check`: the checks of the services' Dockerfiles; nothing is built."""

from __future__ import annotations

from yurt.cli.build_check import check_and_print
from yurt.cli.failure import Failure
from yurt.client.context import BuildContext
from yurt.dockerfile.remote import is_remote
from yurt.errors import YurtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from yurt.cli.session import Session
    from yurt.compose.model import Build, Service


def check(session: Session, services: Iterable[Service], arguments: Mapping[str, str]) -> int:
    """Print what is found in the Dockerfile of each service with a build; return 1 when there is something."""
    code = 0
    for service in services:
        if service.build is None:
            continue
        try:
            _check(session, service.build, arguments)
        except (Failure, YurtError) as found:
            session.note(f"{service.name}: {found}")
            code = 1
    return code


def _check(session: Session, build: Build, arguments: Mapping[str, str]) -> None:
    if is_remote(build.context):
        raise Failure(f"cannot check {build.context}: it is not here", hint="fetch it, and check the folder")
    context = BuildContext.find(build.context, dockerfile=build.dockerfile, inline=build.dockerfile_inline)
    check_and_print(
        session,
        context.dockerfile_text(),
        file=context.known_as or context.dockerfile,
        given={**build.args, **arguments},
        platform=build.platform,
        target=build.target,
        ignores=context.rules.ignores,
    )
