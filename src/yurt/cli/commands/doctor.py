"""`yurt doctor`: what this machine offers and lacks, with the command that adds it."""

from __future__ import annotations

from yurt import places
from yurt.cli.flags import Options, command
from yurt.cli.session import answers
from yurt.errors import YurtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.diagnosis import Engine, Finding
    from yurt.cli.session import Session

PATIENCE = 5.0  # seconds for an engine to say who it is
COLOURS = {"ok": "32", "note": "33", "missing": "31;1"}


@command(
    "doctor [OPTIONS]",
    "Tell what this machine offers and lacks for containers, and the command that adds it",
    flags="    -f, --format FORMAT   json: the findings, for programs",
    example="""
    yurt doctor                      (1 is its exit code when something needed is missing)
    yurt doctor --format json
    """,
)
def doctor(session: Session, options: Options) -> int:
    from yurt.cli.diagnosis import diagnose, is_well
    from yurt.cli.host import look

    wanted = options.text("format", "table")
    if wanted not in ("json", "table"):
        raise options.invalid("format", wanted, "expected json or table")
    host = look(places.default_root(session.environ), session.environ.get("PATH", ""))
    findings = diagnose(host, engine(session))
    if wanted == "json":
        import json
        from dataclasses import asdict

        session.print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(session, findings)
    return 0 if is_well(findings) else 1


def engine(session: Session) -> Engine:
    """Return what the engine says of itself. None is started."""
    from yurt.cli.diagnosis import Engine

    version = None
    present = session.host.startswith("unix://") and answers(session.host.removeprefix("unix://"))
    try:
        with session.new_client(timeout=PATIENCE) as client:
            version = client.json("GET", "/version")
            info = client.json("GET", "/info")
        return Engine(session.host, session.owns_engine, present, version, info)
    except YurtError as failed:
        return Engine(session.host, session.owns_engine, present, version, problem=failed.message)


def show(session: Session, findings: tuple[Finding, ...]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        state = session.paint(COLOURS[finding.state], f"{finding.state:<7}", session.out)
        session.print(f"{state}  {finding.name:<{width}}  {finding.text}")
        if finding.remedy:
            session.print(f"{'':9}{'':{width}}  → {finding.remedy}")
