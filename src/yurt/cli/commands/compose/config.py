"""`yurt compose config` and `version`."""

from __future__ import annotations

from yurt.cli.commands.compose import project as begin
from yurt.cli.flags import Options, command

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session


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
    --environment               Only the variables that the files can use
    --hash SERVICES             The config hashes: of SERVICE,… or "*"
    --format FORMAT             yaml or json (default: yaml)
    -o, --output FILE           Write it there
    -q, --quiet                 Only check
    --no-interpolate            Accepted for Docker Compose's sake
    """
    ),
    example="yurt compose -f compose.yaml -f production.yaml config",
)
def config(session: Session, options: Options) -> int:
    project = begin.project(session, options, options.arguments)
    if options.flag("quiet"):
        return 0
    every = {**project.services, **project.disabled}
    listings = {
        "services": list(project.services),
        "images": [service.image for service in project.services.values()],
        "volumes": list(project.volumes),
        "networks": list(project.networks),
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

    form = options.text("format", "yaml")
    if form not in ("yaml", "json"):
        raise options.invalid("format", form, "expected yaml or json")
    text = shown(project, form, options.arguments)
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


@command(
    "version [OPTIONS]",
    "Show the version",
    flags=begin.flags(
        """
    --short                     Only the number
    --format FORMAT             pretty or json
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
