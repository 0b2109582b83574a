"""`yurt compose config` and `version`."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.flags import Options, command

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project


@command(
    "config [OPTIONS] [SERVICE...]",
    "Check the Compose files and show them as one, with all variables replaced",
    flags=begin.flags(
        """
    --services                  Only the services' names
    --images                    Only the images' names
    --volumes                   Only the volumes' names
    --networks                  Only the networks' names
    --profiles                  Only the profiles' names
    --models                    Only the models' names: there are none, as they are refused
    --environment               Only the variables that the files can use
    --variables                 Only the variables that the files use, with their defaults
    --hash SERVICES             The config hashes: of SERVICE,… or "*"
    --format FORMAT             yaml or json (default: yaml)
    -o, --output FILE           Write it there
    -q, --quiet                 Only check
    --resolve-image-digests     Images by the digests that their tags have in the registries
    --lock-image-digests        Only the images by their digests, as an override file
    --no-interpolate            The files as one, with their variables as they are written
    --no-normalize              The files as one, with what is short left short
    --no-path-resolution        The same: paths as they are written
    --no-env-resolution         The same: env_file as it is written
    --no-consistency            The same: without a look at whether it fits together
    """
    ),
    example="yurt compose -f compose.yaml -f production.yaml config",
)
def config(session: Session, options: Options) -> int:
    form = options.text("format", "yaml")
    if form not in ("yaml", "json"):
        raise options.invalid("format", form, "expected yaml or json")
    if options.flag("variables"):
        return _variables(session, options)
    if any(options.flag(name) for name in _AS_WRITTEN):
        return _as_written(session, options, form)
    project = begin.project(session, options, options.arguments)
    if options.flag("quiet"):
        return 0
    every = {**project.services, **project.disabled}
    listings = {
        "services": list(project.services),
        "images": [service.image for service in project.services.values()],
        "volumes": list(project.volumes),
        "networks": list(project.networks),
        "models": [],
        "profiles": sorted({name for service in every.values() for name in service.profiles}),
    }
    for name, listing in listings.items():
        if options.flag(name):
            for line in listing:
                session.print(line)
            return 0
    if options.flag("environment"):
        for key, value in sorted(begin.location(session, options).variables.items()):
            session.print(f"{key}={value}")
        return 0
    if wanted := options.text("hash"):
        from yurt.compose.hash import service_hash

        names = list(project.services) if wanted == "*" else wanted.split(",")
        for name in names:
            session.print(f"{name} {service_hash(project, project.service(name))}")
        return 0
    from yurt.compose.show import shown

    if options.flag("lock-image-digests") or options.flag("resolve-image-digests"):
        project = _pinned(session, project)
    if options.flag("lock-image-digests"):
        from yurt.compose.show import written

        locked = {name: {"image": each.image} for name, each in project.services.items()}
        return _write(session, options, written({"services": locked}, form))
    return _write(session, options, shown(project, form, options.arguments))


_AS_WRITTEN = ("no-interpolate", "no-normalize", "no-path-resolution", "no-env-resolution", "no-consistency")


def _write(session: Session, options: Options, text: str) -> int:
    if options.flag("quiet"):
        return 0
    if path := options.text("output"):
        from yurt.errors import InvalidArgument, translated

        with (
            translated({OSError: InvalidArgument}, f"cannot write {path}"),
            open(path, "w", encoding="utf-8") as file,
        ):
            file.write(text)
    else:
        session.print(text.rstrip("\n"))
    return 0


def _as_written(session: Session, options: Options, form: str) -> int:
    from yurt.compose.nodes import plain
    from yurt.compose.project import merged_document
    from yurt.compose.show import escaped, written

    interpolate = not options.flag("no-interpolate")
    document = plain(merged_document(begin.location(session, options), interpolate=interpolate))
    return _write(session, options, written(escaped(document) if interpolate else document, form))


def _variables(session: Session, options: Options) -> int:
    from yurt.cli.output import table
    from yurt.compose.interpolate import used
    from yurt.compose.project import merged_document

    found = used(merged_document(begin.location(session, options), interpolate=False))
    rows = [["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"]]
    rows += [[each.name, str(each.required).lower(), each.default, each.alternate] for each in found.values()]
    for line in table(rows):
        session.print(line.rstrip())
    return 0


def _pinned(session: Session, project: Project) -> Project:
    """Return the project with each image by the digest that its tag has in its registry."""
    from yurt.compose.images import split_reference
    from yurt.values import replace

    def pinned(image: str) -> str:
        name, tag = split_reference(image)
        if tag.startswith("sha256:"):
            return image
        found = session.client.json("GET", f"/distribution/{image}/json")
        return f"{name}:{tag}@{found['Descriptor']['digest']}"

    services = {
        name: each if each.build else replace(each, image=pinned(each.image))
        for name, each in project.services.items()
    }
    return replace(project, services=services)


@command(
    "version [OPTIONS]",
    "Show the version",
    flags=begin.flags(
        """
    --short                     Only the number
    -f, --format FORMAT         pretty or json
    """
    ),
    example="yurt compose version --short",
)
def version(session: Session, options: Options) -> int:
    from yurt import __version__

    if options.flag("short"):
        session.print(__version__)
    elif options.text("format") == "json":
        session.print(f'{{"version":"{__version__}"}}')
    else:
        session.print(f"Yurt Compose version {__version__}")
    return 0
