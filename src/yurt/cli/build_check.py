"""`yurt build --check`: the checks of a Dockerfile, made here. Only what base images set is asked of the engine."""

from __future__ import annotations

from yurt.cli.failure import Failure
from yurt.dockerfile.checks.check import (
    ImageFacts,
    Surroundings,
    check,
    check_broken,
    options_of,
)
from yurt.dockerfile.excerpt import line_of
from yurt.dockerfile.lexer import lex
from yurt.dockerfile.parser import parse_source
from yurt.errors import InvalidArgument, YurtError
from yurt.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yurt.cli.session import Session
    from yurt.dockerfile.checks.findings import Finding
    from yurt.dockerfile.lexer import Source


def check_and_print(
    session: Session,
    text: bytes,
    *,
    file: str,
    given: Mapping[str, str | None],
    platform: str = "",
    target: str = "",
    ignores: Callable[[str], bool],
) -> None:
    """Print what the checks find in the Dockerfile *text*, called *file*; raise Failure when there is something."""
    images = _Images(session)
    about = Surroundings(given, platform or images.platform(), target, images.facts, _is_image_name, ignores)
    broken: InvalidArgument | None = None
    source: Source | None = None
    findings: tuple[Finding, ...] = ()
    try:
        source = lex(text, file=file)
        options_of(source, given)
        findings = check(parse_source(source), about)
    except InvalidArgument as error:
        broken = error
        line = line_of(error.message, file)
        if source is not None and line is not None:
            findings = _above(source, about, line)
    _print(session, findings, text.decode(errors="replace").splitlines())
    if broken is not None:
        raise broken
    if findings:
        count = f"{len(findings)} findings" if len(findings) > 1 else "1 finding"
        raise Failure(f"{count} in {file}", hint="leave one out with `# check=skip=RULE` in the first line")
    session.print(f"{file}: no findings")


def _above(source: Source, about: Surroundings, line: int) -> tuple[Finding, ...]:
    try:
        return check_broken(source, about, before=line)
    except InvalidArgument:  # it is the options that are broken
        return ()


def _print(session: Session, findings: tuple[Finding, ...], lines: list[str]) -> None:
    for finding in findings:
        where = finding.where
        session.print(f"{where}: {finding.rule}: {finding.message}")
        for number in range(where.first, min(where.last, len(lines)) + 1):
            session.print(f"  {number:>4} | {lines[number - 1]}")
        session.print(f"  {finding.url}\n")


class _Images:
    """What the engine knows of base images. One that does not answer knows none: the checks go on without."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def platform(self) -> str:
        try:
            found = self._session.client.json("GET", "/version")
        except (YurtError, OSError):
            return Surroundings().platform
        return f"{found.get('Os') or 'linux'}/{found.get('Arch') or 'amd64'}"

    def facts(self, reference: str) -> ImageFacts | None:
        if not _is_image_name(reference):
            return None
        try:
            found = self._session.client.json("GET", f"/images/{reference}/json")
        except (YurtError, OSError):
            return None
        config = found.get("Config") or {}
        environment = dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
        triggers = tuple(config.get("OnBuild") or ())
        return ImageFacts(environment, has_shell=bool(config.get("Shell")), triggers=triggers)


def _is_image_name(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidArgument:
        return False
    return True
