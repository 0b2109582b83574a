"""To and from registries: pull, push, login, logout. Who one is lives in Docker's own ``config.json``."""

from __future__ import annotations

from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.cli.progress import Progress, split_reference
from yurt.cli.progress import pull as pull_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.oci.reference import Reference


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
    from yurt.cli.credentials import header
    from yurt.oci.reference import Reference

    named, is_quiet = Reference.parse(options.arguments[0]), options.flag("quiet")
    every_tag = options.flag("all-tags")
    if every_tag and (named.tag or named.digest):
        raise _one_of_all(named)
    if not every_tag and named != named.tagged() and not is_quiet:
        session.print("Using default tag: latest")
    pull_image(
        session,
        str(named if every_tag else named.tagged()),
        platform=options.text("platform"),
        quiet=is_quiet,
        every_tag=every_tag,
        auth=lambda name: header(session.environ, name),
    )
    session.print(named.canonical if every_tag else named.tagged().canonical)


@command(
    "push [OPTIONS] IMAGE",
    "Send an image to its registry",
    flags="""
    -a, --all-tags       Every tag of it that is here
    -q, --quiet          No progress
    --platform PLATFORM  os/architecture
    """,
    example="yurt push registry.example.com/shop:1.2",
)
def push(session: Session, options: Options) -> None:
    from yurt.cli.credentials import header
    from yurt.oci.reference import Reference

    named, is_quiet = Reference.parse(options.arguments[0]), options.flag("quiet")
    every_tag = options.flag("all-tags")
    if every_tag and (named.tag or named.digest):
        raise _one_of_all(named)
    if not every_tag and named != named.tagged() and not is_quiet:
        session.print("Using default tag: latest")
    name, tag = (str(named), None) if every_tag else split_reference(str(named))
    headers = header(session.environ, str(named)) or {"X-Registry-Auth": "e30="}  # {}: nobody
    lines = session.client.lines("POST", f"/images/{name}/push", query={"tag": tag}, headers=headers)
    Progress(session.out, quiet=is_quiet).follow(lines)
    if is_quiet:
        session.print(named.canonical if every_tag else named.tagged().canonical)


def _one_of_all(named: Reference) -> Failure:
    return Failure(
        f"--all-tags does not go with a tag: {named}", hint=f"name the repository only: {named.familiar_name}"
    )


@command(
    "search [OPTIONS] TERM",
    "Search for images on Docker Hub, if the engine can",
    flags="""
    -f, --filter NAME=VALUE…  stars=, is-official=
    --format TEMPLATE         table, json, or a template: '{{.Name}}'
    --limit NUMBER            How many at most
    --no-trunc                Show everything in full
    """,
    example="yurt search --filter is-official=true redis",
)
def search(session: Session, options: Options) -> None:
    from yurt.cli import columns, output
    from yurt.cli.commands.containers import filters

    query = {
        "term": options.arguments[0],
        "limit": options.number("limit") or None,
        "filters": filters(options),
    }
    entries = session.client.json("GET", "/images/search", query=query)
    rows = [columns.search_row(entry, full=options.flag("no-trunc")) for entry in entries]
    for line in output.listing(
        rows, columns.SEARCH, list(columns.SEARCH), options, key="Name", width=session.width()
    ):
        session.print(line)


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
