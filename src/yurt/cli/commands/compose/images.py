"""`yurt compose build` and `pull`: the images of the services."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.flags import Options, command
from yurt.compose.execute import Executor, How
from yurt.compose.observed import Observed
from yurt.compose.plan import Draft, Verb

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.plan import Plan


@command(
    "build [OPTIONS] [SERVICE...]",
    "Build the services' images",
    flags=begin.flags(
        """
    --no-cache                  Build every step anew
    --pull                      Pull newer base images first
    --build-arg NAME=VALUE…     Over the file's build arguments
    --with-dependencies         Those too that the services depend on
    --push                      Send the images to their registries, too
    --check                     Check the Dockerfiles for likely mistakes, and build nothing
    --ssh AGENT…                Shown to RUN --mount=type=ssh: default, or ID=SOCKET
    --builder NAME              Accepted for Docker Compose's sake: the engine has one builder
    -q, --quiet                 No output but errors
    -m, --memory SIZE           Limit of memory of RUN
    """
    ),
    example="yurt compose build --no-cache web",
)
def build(session: Session, options: Options) -> int:
    project = begin.project(session, options, options.arguments)
    services = project.selection(
        options.arguments, dependencies=not options.arguments or options.flag("with-dependencies")
    )
    if options.flag("check"):
        from yurt.cli.commands.compose.checking import check

        return check(session, services, begin.assigned(options, "build-arg", dict(session.environ)))
    draft, seen = Draft(), set[str]()
    for service in services:
        if service.build and service.image not in seen:
            seen.add(service.image)
            draft.add(Verb.BUILD, service.image, "asked for", service=service.name)
    how = How(
        no_cache=options.flag("no-cache"),
        pull_bases=options.flag("pull"),
        build_args=begin.assigned(options, "build-arg", dict(session.environ)),
        build_ssh=tuple(options.all("ssh")),
        build_memory=_memory(options),
        at_once=begin.at_once(session, options),
    )
    if not draft.actions:
        session.note(f"{project.name}: no service here has a build")
    code = _run(session, options, project, draft.done(), how, quiet=options.flag("quiet"))
    if options.flag("push") and draft.actions:
        return push.function(session, options) or 0
    return code


def _memory(options: Options) -> int | None:
    from yurt.compose.units import size
    from yurt.errors import InvalidArgument

    if not options.has("memory"):
        return None
    try:
        return size(options.text("memory"))
    except InvalidArgument as error:
        raise options.invalid("memory", options.text("memory"), error.message) from None


@command(
    "pull [OPTIONS] [SERVICE...]",
    "Pull the services' images",
    flags=begin.flags(
        """
    --include-deps              Those too that the services depend on
    --ignore-buildable          Leave out what can be built
    --ignore-pull-failures      Go on when an image can't be pulled
    --policy POLICY             missing or always (default: always)
    -q, --quiet                 No output but errors
    """
    ),
    example="yurt compose pull",
)
def pull(session: Session, options: Options) -> int:
    project = begin.project(session, options, options.arguments)
    services = project.selection(
        options.arguments, dependencies=not options.arguments or options.flag("include-deps")
    )
    policy = options.text("policy", "always")
    if policy not in ("always", "missing"):
        raise options.invalid("policy", policy, "expected missing or always")
    images = {service.image: service for service in services if not service.build}
    if policy == "missing":
        from yurt.compose.observe import image_id

        images = {name: each for name, each in images.items() if image_id(session.client, name) is None}
    draft = Draft()
    for image, service in images.items():
        if service.pull_policy != "never":
            draft.add(Verb.PULL, image, "asked for", service=service.name)
    from yurt.errors import YurtError

    try:
        return _run(session, options, project, draft.done(), How(), quiet=options.flag("quiet"))
    except YurtError as error:
        if not options.flag("ignore-pull-failures"):
            raise
        session.warn(error.message)
        return 0


@command(
    "push [OPTIONS] [SERVICE...]",
    "Send the images that the services build to their registries",
    flags=begin.flags(
        """
    --include-deps              Those too that the services depend on
    --ignore-push-failures      Go on when an image can't be sent
    -q, --quiet                 No output but errors
    """
    ),
    example="yurt compose push web",
)
def push(session: Session, options: Options) -> int:
    from yurt.cli.commands.registry import push as push_one
    from yurt.cli.failure import Failure

    project = begin.project(session, options, options.arguments)
    services = project.selection(
        options.arguments, dependencies=not options.arguments or options.flag("include-deps")
    )
    images = list(dict.fromkeys(each.image for each in services if each.build))
    if not images:
        session.note(f"{project.name}: no service here has a build")
    code = 0
    for image in images:
        if options.flag("dry-run"):
            session.print(f"push image {image}: asked for")
            continue
        try:
            push_one.function(session, options.on(image))
        except Failure as error:
            if not options.flag("ignore-push-failures"):
                raise
            session.fail(error.message, error.hint)
            code = 1
    return code


def _run(session: Session, options: Options, project: Project, plan: Plan, how: How, *, quiet: bool) -> int:
    if options.flag("dry-run"):
        session.print(str(plan))
        return 0
    from yurt.compose.progress import Silent

    shown = Silent() if quiet else begin.progress(session, options)
    try:
        Executor(session.client, project, Observed(), progress=shown, how=how).run(plan)
    finally:
        shown.close()
    return 0
