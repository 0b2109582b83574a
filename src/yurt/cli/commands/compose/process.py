"""`yurt compose exec` and `run`: a command in a running container, and one in a container of its own."""

from __future__ import annotations

import os

from yurt.cli.commands.compose import project as begin
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.errors import NotFound, NotModified
from yurt.values import replace

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project, Service


@command(
    "exec [OPTIONS] SERVICE COMMAND [ARG...]",
    "Run a command in a running container of a service",
    flags=begin.flags(
        """
    -T, --no-tty                No terminal (default: one, if this is one)
    -t, --tty                   Accepted for Docker Compose's sake
    -i, --interactive           Pass the input on (default: true)
    -d, --detach                Leave it running in the background
    -u, --user USER             As this user
    -e, --env NAME=VALUE…       With this variable
    -w, --workdir DIR           In this folder
    --index NUMBER              In the container with this number
    --privileged                With all privileges
    """
    ),
    example="""
    yurt compose exec web bash
    yurt compose exec -T db pg_dump shop > shop.sql
    """,
    program=1,
)
def exec_(session: Session, options: Options) -> int:
    service, *words = options.arguments
    from yurt.cli.commands.compose.look import one_container

    _, name = begin.project_or_name(session, options, [service])
    container = one_container(session, name, service, options.number("index"))
    client = session.client
    detached = options.flag("detach")
    stdin = options.flag("interactive", default=True) and not detached
    tty = not detached and not options.flag("no-tty") and options.flag("tty", default=True) and _is_terminal()
    body = {
        "Cmd": words,
        "Tty": tty,
        "AttachStdin": stdin,
        "AttachStdout": not detached,
        "AttachStderr": not detached,
        "User": options.text("user"),
        "WorkingDir": options.text("workdir"),
        "Privileged": options.flag("privileged"),
        "Env": [
            f"{key}={value}" for key, value in begin.assigned(options, "env", dict(session.environ)).items()
        ],
    }
    identifier = client.json("POST", f"/containers/{container.id}/exec", json=body)["Id"]
    if detached:
        client.request("POST", f"/exec/{identifier}/start", json={"Detach": True, "Tty": False}).read()
        return 0
    from yurt.cli.interactive import attached

    with client.hijack("POST", f"/exec/{identifier}/start", json={"Detach": False, "Tty": tty}) as stream:
        if attached(session, stream, tty=tty, stdin=stdin, place=f"/exec/{identifier}"):
            return 0
    return int(client.json("GET", f"/exec/{identifier}/json").get("ExitCode") or 0)


def _is_terminal() -> bool:
    return os.isatty(0) and os.isatty(1)


@command(
    "run [OPTIONS] SERVICE [COMMAND] [ARG...]",
    "Run a command in a new container of a service; what it depends on is started first",
    flags=begin.flags(
        """
    --rm                        Remove the container when it ends
    -d, --detach                Leave it running and print its name
    -T, --no-TTY                No terminal (default: one, if this is one)
    -i, --interactive           Pass the input on (default: true)
    -t, --tty                   Accepted for Docker Compose's sake
    -e, --env NAME=VALUE…       With this variable
    -u, --user USER             As this user
    -w, --workdir DIR           In this folder
    -v, --volume VOLUME…        With this volume too
    -p, --publish PORT…         With this port published
    -P, --service-ports         With the service's ports published
    --use-aliases               Found under the service's name too
    --entrypoint COMMAND        Instead of the image's
    --name NAME                 Called so
    -l, --label NAME=VALUE…     With this label
    --no-deps                   Leave the services alone that it depends on
    --build                     Build the image first
    --pull POLICY               Pull the image first: always, missing or never
    --cap-add CAPABILITY…       With this capability too
    --cap-drop CAPABILITY…      Without this capability
    --env-from-file FILE…       With the variables of this file
    -q, --quiet                 Say nothing of what is brought up
    --quiet-build               Say nothing of builds
    --quiet-pull                Say nothing of pulls
    --remove-orphans            Remove containers of services that the file no longer has
    """
    ),
    example="yurt compose run --rm web python manage.py migrate",
    program=1,
)
def run(session: Session, options: Options) -> int:
    name, *words = options.arguments
    project = begin.project(session, options, [name])
    detached = options.flag("detach")
    stdin = options.flag("interactive", default=True) and not detached
    wants_tty = not options.flag("no-TTY") and options.flag("tty", default=True)
    tty = not detached and wants_tty and _is_terminal()
    pull = options.text("pull")
    if pull not in ("", "always", "missing", "never"):
        raise options.invalid("pull", pull, "expected always, missing or never")
    if options.flag("quiet"):
        options = options.adding("progress", "quiet")
    _prepare(session, options, project, project.service(name))
    service = _changed(project, session, options, words, tty=tty, stdin=stdin)
    identifier, container = _create(session, options, project, service)
    client, place = session.client, f"/containers/{identifier}"
    if detached:
        client.request("POST", f"{place}/start").read()
        session.print(container)
        return 0
    from yurt.cli.interactive import attached

    def start() -> None:
        try:
            client.request("POST", f"{place}/start").read()
        except NotModified:
            return

    query = {"stream": True, "stdin": stdin, "stdout": True, "stderr": True}
    removes = options.flag("rm")
    try:
        with client.hijack("POST", f"{place}/attach", query=query) as stream:
            waiting = client.request("POST", f"{place}/wait", query={"condition": "next-exit"})
            proxy = "" if tty else identifier
            if attached(session, stream, tty=tty, stdin=stdin, place=place, proxy=proxy, started=start):
                waiting.close()
                removes = False
                return 0
            return int(waiting.json()["StatusCode"])
    finally:
        if removes:
            _remove(session, identifier)


def _remove(session: Session, identifier: str) -> None:
    try:
        session.client.request("DELETE", f"/containers/{identifier}", query={"force": True, "v": True}).read()
    except NotFound:
        return


def _prepare(session: Session, options: Options, project: Project, service: Service) -> None:
    """Make the image, the networks and volumes, and bring up what *service* depends on."""
    from yurt.cli.commands.compose.up import bring_up
    from yurt.compose.reconcile import UpOptions
    from yurt.compose.watch import Watch

    needed = () if options.flag("no-deps") else tuple(edge.service for edge in service.depends_on)
    with Watch(session.client, project.name) as watch:
        if needed:
            wanted = UpOptions(services=needed, remove_orphans=options.flag("remove-orphans"))
            bring_up(session, options, project, wanted, watch)
            _await(session, project, service, watch)
        own = UpOptions(
            services=(service.name,),
            no_deps=True,
            build=options.flag("build"),
            pull=options.text("pull"),
            scale={service.name: 0},
            no_recreate=True,
        )
        _resources(session, options, project, own)


def _await(session: Session, project: Project, service: Service, watch: object) -> None:
    from yurt.compose.execute import wait_for
    from yurt.compose.model import Condition
    from yurt.compose.observe import observe
    from yurt.compose.watch import Watch

    assert isinstance(watch, Watch)
    edges = [edge for edge in service.depends_on if edge.condition is not Condition.STARTED]
    observed = observe(session.client, project.name) if edges else None
    for edge in edges:
        assert observed is not None
        for each in observed.of(edge.service):
            wait_for(session.client, watch, each.name, edge.condition, service=edge.service)


def _resources(session: Session, options: Options, project: Project, wanted: object) -> None:
    """Make what a container of the service needs, and no container."""
    from yurt.compose.execute import Executor, How
    from yurt.compose.plan import Plan, Verb
    from yurt.compose.reconcile import UpOptions
    from yurt.compose.up import prospect

    assert isinstance(wanted, UpOptions)
    found = prospect(session.client, project, wanted)
    making = (Verb.CREATE_NETWORK, Verb.CREATE_VOLUME)
    actions = tuple(action for action in found.containers.actions if action.verb in making)
    for plan in (found.images, Plan(actions)):
        if plan:
            shown = begin.progress(session, options)
            try:
                Executor(session.client, project, found.observed, progress=shown, how=How()).run(plan)
            finally:
                shown.close()


def _from_files(session: Session, options: Options) -> dict[str, str]:
    from yurt.compose import dotenv
    from yurt.errors import InvalidArgument, translated

    found: dict[str, str] = {}
    for path in options.all("env-from-file"):
        with (
            translated({OSError: NotFound, UnicodeDecodeError: InvalidArgument}, f"cannot read {path}"),
            open(path, encoding="utf-8") as file,
        ):
            found |= dotenv.parse(file.read(), path, {**found, **session.environ})
    return found


def _changed(
    project: Project, session: Session, options: Options, words: list[str], *, tty: bool, stdin: bool
) -> Service:
    """Return the service as this one run wants it."""
    from yurt.compose import short, words as splitting  # noqa: I001

    service = project.service(options.arguments[0])
    ports = service.ports if options.flag("service-ports") else ()
    for given in options.all("publish"):
        ports += tuple(short.ports(given))
    mounts = {mount.target: mount for mount in service.mounts}
    for given in options.all("volume"):
        mount = short.mount(given, os.getcwd(), session.environ.get("HOME", "/"))
        mounts[mount.target] = mount
    environ = {**service.environment, **_from_files(session, options)}
    environ |= begin.assigned(options, "env", dict(session.environ))
    entrypoint = service.entrypoint
    if options.has("entrypoint"):
        entrypoint = splitting.split(options.text("entrypoint"))
    command_line = tuple(words) or (() if options.has("entrypoint") else service.command)
    return replace(
        service,
        command=command_line or None,
        entrypoint=entrypoint,
        environment=environ,
        cap_add=(*service.cap_add, *options.all("cap-add")),
        cap_drop=(*service.cap_drop, *options.all("cap-drop")),
        labels={**service.labels, **begin.assigned(options, "label", {})},
        ports=ports,
        mounts=tuple(mounts.values()),
        user=options.text("user") or service.user,
        working_dir=options.text("workdir") or service.working_dir,
        tty=tty,
        stdin_open=stdin,
        restart="",
        container_name="",
        healthcheck=service.healthcheck,
    )


def _create(session: Session, options: Options, project: Project, service: Service) -> tuple[str, str]:
    """Create the one-off container; returns its ID and its name."""
    from yurt.compose import payload
    from yurt.compose.execute import resolved
    from yurt.compose.hash import service_hash
    from yurt.compose.observe import image_id

    image = image_id(session.client, service.image)
    if image is None:
        raise Failure(f"the image {service.image} is not there", hint="build or pull it first")
    name = options.text("name") or f"{project.name}-{service.name}-run-{os.urandom(6).hex()}"
    stamp = payload.Stamp(1, service_hash(project, service), image, oneoff=True)
    body = payload.container(project, resolved(project, service), stamp)
    body["AttachStdin"] = body["StdinOnce"] = service.stdin_open
    body["AttachStdout"] = body["AttachStderr"] = True
    if not options.flag("use-aliases"):
        for endpoint in body["NetworkingConfig"]["EndpointsConfig"].values():
            endpoint.pop("Aliases", None)
    if options.flag("rm") and options.flag("detach"):
        body["HostConfig"]["AutoRemove"] = True
    created = session.client.json("POST", "/containers/create", query={"name": name}, json=body)
    if service.files:
        from yurt.compose.execute import write_files

        write_files(session.client, created["Id"], service)
    return str(created["Id"]), name
