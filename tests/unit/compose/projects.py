"""Building projects for tests: from the text of a Compose file, as a user writes it."""

from collections.abc import Mapping
from pathlib import Path

from yurt.compose.hash import service_hash
from yurt.compose.model import Project
from yurt.compose.observed import Observed, ObservedContainer, ObservedResource
from yurt.compose.project import Options, load_project, locate
from yurt.compose.reconcile import container_name


def a_project(
    text: str,
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    profiles: tuple[str, ...] = (),
    name: str = "shop",
    warnings: list[str] | None = None,
) -> Project:
    """Write *text* as compose.yaml in *folder* and return the project."""
    (folder / "compose.yaml").write_text(text, encoding="utf-8")
    options = Options(profiles=profiles, name=name)
    location = locate(options, cwd=str(folder), environ=environ or {}, read_stdin=bytes)
    return load_project(location, warn=(warnings if warnings is not None else []).append)


def as_observed(
    project: Project,
    *,
    images: Mapping[str, str | None] | None = None,
    states: Mapping[str, str] | None = None,
    health: Mapping[str, str] | None = None,
    without: tuple[str, ...] = (),
) -> Observed:
    """Return the snapshot of *project* as if it was up and unchanged, but for *states* and *without* services."""
    images = images or {service.image: f"sha256:{service.image}" for service in project.services.values()}
    containers = []
    for service in project.services.values():
        for number in range(1, service.replicas + 1) if service.name not in without else ():
            state, _, code = (states or {}).get(service.name, "running").partition(" ")
            containers.append(
                ObservedContainer(
                    id=f"{service.name}{number}".ljust(64, "0"),
                    name=container_name(project, service, number),
                    service=service.name,
                    number=number,
                    state=state,
                    exit_code=int(code) if code else None,
                    health=(health or {}).get(service.name, "healthy" if service.healthcheck else ""),
                    config_hash=service_hash(project, service),
                    image=service.image,
                    image_id=images[service.image] or "",
                    depends_on=tuple(edge.service for edge in service.depends_on),
                    networks=tuple(project.networks[each.network].name for each in service.networks),
                )
            )
    return Observed(
        containers=tuple(containers),
        networks={
            each.name: ObservedResource(each.name, each.key, project.name)
            for each in project.networks.values()
        },
        volumes={
            each.name: ObservedResource(each.name, each.key, project.name)
            for each in project.volumes.values()
        },
        images=images,
    )


def nothing(project: Project) -> Observed:
    """Return a snapshot in which only the images are there."""
    return Observed(images={service.image: "sha256:1" for service in project.services.values()})
