"""`yurt exec`: a command in a running container."""

from __future__ import annotations

from yurt.cli.flags import Options, command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session


@command(
    "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    "Run a command in a running container",
    flags="""
    -i, --interactive     Keep stdin open
    -t, --tty             Give it a terminal
    -d, --detach          Do not wait for it
    -e, --env NAME=VALUE…  Set a variable; NAME alone takes yours
    --env-file FILE…      Read variables from a file
    -u, --user USER       User, or user:group
    -w, --workdir PATH    Working directory
    --privileged          All rights on the host
    --detach-keys KEYS    Keys that leave it running (default: ctrl-p,ctrl-q)
    """,
    example="""
    yurt exec -it web bash
    yurt exec db pg_dump -U postgres shop > shop.sql
    """,
    program=1,
)
def exec_(session: Session, options: Options) -> int:
    container, *words = options.arguments
    tty, detached = options.flag("tty"), options.flag("detach")
    stdin = options.flag("interactive") and not detached
    if tty and stdin:
        from yurt.cli.interactive import require_terminal

        require_terminal()
    environment: list[str] = []
    if files := options.all("env-file"):
        from yurt.cli.env_files import from_files

        environment += from_files(files, session.environ)
    for text in options.all("env"):
        name, mark, _ = text.partition("=")
        if mark or name in session.environ:
            environment.append(text if mark else f"{name}={session.environ[name]}")
    body = {
        "Cmd": words,
        "Tty": tty,
        "AttachStdin": stdin,
        "AttachStdout": not detached,
        "AttachStderr": not detached,
        "Env": environment,
        "User": options.text("user"),
        "WorkingDir": options.text("workdir"),
        "Privileged": options.flag("privileged"),
        "DetachKeys": options.text("detach-keys"),
    }
    client = session.client
    identifier = client.json("POST", f"/containers/{container}/exec", json=body)["Id"]
    how = {"Detach": detached, "Tty": tty}
    if detached:
        client.request("POST", f"/exec/{identifier}/start", json=how).read()
        return 0
    with client.hijack("POST", f"/exec/{identifier}/start", json=how) as stream:
        from yurt.cli.interactive import attached  # here it costs nothing: the engine is starting the process

        if attached(
            session,
            stream,
            tty=tty,
            stdin=stdin,
            place=f"/exec/{identifier}",
            detach_keys=options.text("detach-keys"),
        ):
            return 0
    return int(client.json("GET", f"/exec/{identifier}/json")["ExitCode"] or 0)
