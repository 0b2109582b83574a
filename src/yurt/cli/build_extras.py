"""`yurt build --secret` and `--ssh`: what the engine gets to show to single steps, and keeps nowhere."""

from __future__ import annotations

import os

from yurt.api.build_extras import MAX_SECRET, to_headers
from yurt.cli.failure import Failure
from yurt.client.yurt_only import refuse_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from yurt.cli.flags import Options
    from yurt.cli.session import Session

AGENT = "SSH_AUTH_SOCK"


def headers(session: Session, options: Options) -> dict[str, str]:
    """Return the headers that bring what the flags ask for. Only Yurt's engine is told: another would ignore them."""
    asked = [
        name
        for name in ("secret", "ssh", "allow", "no-cache-filter", "cache-to", "build-context")
        if options.has(name)
    ]
    if not asked:
        return {}
    refuse_others(session.client, f"--{asked[0]}")
    secrets = dict(secret(text, session.environ) for text in options.all("secret"))
    agents = dict(agent(text, session.environ) for text in options.all("ssh"))
    if agents and not session.host.startswith("unix://"):
        raise Failure("--ssh needs an engine on this machine: it talks to the agent's socket")
    return to_headers(secrets, agents)


def secret(text: str, environ: Mapping[str, str]) -> tuple[str, bytes]:
    """Read ``id=NAME[,src=FILE|,env=VARIABLE]``; return the id and the content."""
    given = _pairs("--secret", text, {"id", "src", "source", "env", "type"})
    name, path = given.get("id", ""), given.get("src") or given.get("source")
    if not name:
        raise Failure(f"--secret {text}: it has no id", hint="write id=NAME,src=FILE or id=NAME,env=VARIABLE")
    kind = given.get("type", "")
    if kind not in {"", "file", "env"}:
        raise Failure(f"--secret {text}: type={kind} is not file or env")
    if path and kind != "env":
        try:
            with open(os.path.expanduser(path), "rb") as file:
                content = file.read(MAX_SECRET + 1)
        except OSError as failed:
            raise Failure(f"cannot read the secret {name}: {path}: {failed.strerror}") from failed
    else:
        variable = given.get("env") or path or name
        if variable not in environ:
            raise Failure(
                f"the secret {name}: the environment has no {variable}", hint="name a file with src=FILE"
            )
        content = os.fsencode(environ[variable])
    if len(content) > MAX_SECRET:
        raise Failure(f"the secret {name} is larger than {MAX_SECRET // 1024} KiB")
    return name, content


def agent(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Read ``ID[=SOCKET]``; return the id and the absolute path of the agent's socket."""
    import stat

    name, _, path = text.partition("=")
    path = os.path.abspath(os.path.expanduser(path or environ.get(AGENT, "")))
    if not text.partition("=")[2] and not environ.get(AGENT):
        raise Failure(f"--ssh {text}: no SSH agent runs here", hint="start one: eval $(ssh-agent); ssh-add")
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as failed:
        raise Failure(f"--ssh {text}: {path}: {failed.strerror}") from failed
    if not is_socket:
        raise Failure(
            f"--ssh {text}: {path} is no agent's socket",
            hint="add the key to an agent with ssh-add, and name that",
        )
    return name or "default", path


def _pairs(flag: str, text: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            raise Failure(
                f"{flag} {text}: {part!r} is not one of {', '.join(f'{each}=' for each in sorted(known))}"
            )
        found[name] = value
    return found
