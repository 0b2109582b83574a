"""The catalog's table: which images there are. Versions are those of Debian's suites."""

from yurt.catalog.model import Recipe

BOOKWORM, TRIXIE = "bookworm", "trixie"


def _variants(*tags: str, suite: str, default: bool = True) -> tuple[str, ...]:
    """Return each tag, bare and with the suite's name behind: ``3``, ``3-trixie``."""
    named = tuple(f"{tag}-{suite}" for tag in tags if tag != "latest")
    return (*(tags if default else ()), *named)


def _debian(suite: str, *tags: str) -> Recipe:
    names = (suite, *tags)
    slim = tuple(f"{tag}-slim" for tag in names if tag != "latest")
    return Recipe("debian", names + slim, suite, f"Debian {tags[0]} ({suite}), the minimal system")


def _python(suite: str, version: str, *tags: str) -> tuple[Recipe, Recipe]:
    major = version.rpartition(".")[0]
    full = Recipe(
        "python",
        _variants(*tags, suite=suite),
        suite,
        f"Python {version} with pip, compilers and git",
        "python/Dockerfile.full",
        {"PYTHON_MAJOR": major},
    )
    slim_tags = tuple(f"{tag}-slim" for tag in tags if tag != "latest")
    slim = Recipe(
        "python",
        _variants(*slim_tags, suite=suite) + (("slim",) if "latest" in tags else ()),
        suite,
        f"Python {version} with pip, without compilers",
        "python/Dockerfile",
        {"SUITE": suite, "PYTHON_MAJOR": major, "PYTHON_VERSION": version},
    )
    return full, slim


def _postgres(suite: str, major: str, *tags: str) -> Recipe:
    # No minor version: Debian's security updates raise it.
    return Recipe(
        "postgres",
        _variants(*tags, suite=suite),
        suite,
        f"PostgreSQL {major}",
        "postgres/Dockerfile",
        {"SUITE": suite, "PG_MAJOR": major},
    )


def _server(
    repository: str, title: str, suite: str, version: str, *tags: str, folder: str | None = None
) -> Recipe:
    folder = folder or repository
    return Recipe(
        repository,
        _variants(*tags, suite=suite),
        suite,
        f"{title} {version}",
        f"{folder}/Dockerfile",
        {"SUITE": suite, f"{folder.upper()}_VERSION": version},
    )


def _management(base: Recipe) -> Recipe:
    tags = tuple(f"{tag}-management" for tag in base.tags if tag != "latest" and base.suite not in tag)
    tags += ("management",) if "latest" in base.tags else ()
    return Recipe(
        base.repository,
        tags,
        base.suite,
        f"{base.description} with its management page",
        f"{base.repository}/Dockerfile.management",
        {"VERSION": base.tags[0]},
    )


_RABBITMQ = (
    _server("rabbitmq", "RabbitMQ", TRIXIE, "4.0.5", "4", "4.0", "4.0.5", "latest"),
    _server("rabbitmq", "RabbitMQ", BOOKWORM, "3.10.8", "3", "3.10", "3.10.8"),
)

RECIPES: tuple[Recipe, ...] = (
    _debian(BOOKWORM, "12"),
    _debian(TRIXIE, "13", "latest", "stable"),
    *_python(TRIXIE, "3.13.5", "3.13", "3", "latest"),
    *_python(BOOKWORM, "3.11.2", "3.11"),
    _server("redis", "Redis", TRIXIE, "8.0.2", "8", "8.0", "latest"),
    _server("redis", "Redis", BOOKWORM, "7.0.15", "7", "7.0"),
    _server("valkey", "Valkey", TRIXIE, "8.1.1", "8", "8.1", "latest"),
    _server("valkey/valkey", "Valkey", TRIXIE, "8.1.1", "8", "8.1", "latest", folder="valkey"),
    _postgres(TRIXIE, "17", "17", "latest"),
    _postgres(BOOKWORM, "15", "15"),
    _server("nginx", "nginx", TRIXIE, "1.26.3", "1.26", "1", "stable", "latest"),
    _server("nginx", "nginx", BOOKWORM, "1.22.1", "1.22"),
    *_RABBITMQ,
    *map(_management, _RABBITMQ),
    _server("memcached", "Memcached", TRIXIE, "1.6.38", "1.6", "1", "latest"),
    _server("memcached", "Memcached", BOOKWORM, "1.6.18", "1.6.18"),
    Recipe(
        "busybox",
        ("1.37", "1", "stable", "latest", "musl", "glibc"),
        TRIXIE,
        "BusyBox 1.37: small tools in one file",
        "busybox/Dockerfile",
        {"SUITE": TRIXIE},
    ),
)
