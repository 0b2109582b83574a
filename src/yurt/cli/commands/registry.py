"""To and from registries: pull, push, login, logout. Who one is lives in Docker's own ``config.json``."""

from __future__ import annotations

from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.cli.progress import Progress, split_reference
from yurt.cli.progress import pull as pull_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session


@command(
    "pull [OPTIONS] IMAGE",
    "Bring an image here",
    flags="""
    -q, --quiet          Only the image's name
    -a, --all-tags       Every tag of it
    --platform PLATFORM  os/architecture
    """,
    example="yurt pull python:3.13",
)
def pull(session: Session, options: Options) -> None:
    image = options.arguments[0]
    if options.flag("all-tags"):
        raise Failure("--all-tags is not supported", hint="name the tags one by one")
    from yurt.cli.credentials import header

    pull_image(
        session,
        image,
        platform=options.text("platform"),
        quiet=options.flag("quiet"),
        auth=lambda name: header(session.environ, name),
    )
    if options.flag("quiet"):
        session.print(image)


@command(
    "push [OPTIONS] IMAGE",
    "Send an image to its registry",
    flags="""
    -q, --quiet          No progress
    --platform PLATFORM  os/architecture
    """,
    example="yurt push registry.example.com/shop:1.2",
)
def push(session: Session, options: Options) -> None:
    from yurt.cli.credentials import header

    image = options.arguments[0]
    name, tag = split_reference(image)
    auth = header(session.environ, image) or {"X-Registry-Auth": "e30="}  # {}: nobody
    lines = session.client.lines("POST", f"/images/{name}/push", query={"tag": tag}, headers=auth)
    Progress(session.out, quiet=options.flag("quiet")).follow(lines)
    if options.flag("quiet"):
        session.print(image)


@command(
    "login [OPTIONS] [SERVER]",
    "Say who you are to a registry",
    flags="""
    -u, --username NAME      Name
    -p, --password PASSWORD  Password (others may see it in the list of processes)
    --password-stdin         Read the password from stdin
    """,
    example="yurt login -u me --password-stdin registry.example.com < secret.txt",
)
def login(session: Session, options: Options) -> None:
    import getpass
    import sys

    from yurt.cli import credentials

    server = credentials.server(options.arguments[0] if options.arguments else "")
    name = options.text("username")
    if options.flag("password-stdin"):
        password = sys.stdin.read().strip("\r\n")
    elif options.has("password"):
        password = options.text("password")
    elif sys.stdin.isatty():
        name = name or input("Username: ")
        password = getpass.getpass("Password: ")
    else:
        raise Failure(
            "no password", hint="give it on stdin: yurt login -u NAME --password-stdin SERVER < FILE"
        )
    if not name:
        raise Failure("no user name", hint="add -u NAME")
    body = {"username": name, "password": password, "serveraddress": server}
    answer = session.client.json("POST", "/auth", json=body)
    credentials.store(session.environ, server, name, (answer or {}).get("IdentityToken") or password)
    session.print((answer or {}).get("Status") or "Login Succeeded")


@command("logout [SERVER]", "Forget who you are to a registry", example="yurt logout registry.example.com")
def logout(session: Session, options: Options) -> None:
    from yurt.cli import credentials

    server = credentials.server(options.arguments[0] if options.arguments else "")
    if credentials.forget(session.environ, server):
        session.print(f"Removing login credentials for {server}")
    else:
        session.print(f"Not logged in to {server}")
