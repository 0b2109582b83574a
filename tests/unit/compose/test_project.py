"""yurt.compose.project and parse: from files to a checked project."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.compose.projects import a_project

from yurt.compose.load import load
from yurt.compose.model import Attachment, Condition, Dependency
from yurt.compose.project import Location, Options, folder_name, load_project, locate
from yurt.errors import InvalidArgument, NotFound, Unimplemented, YurtError

SECOND = 1_000_000_000


def located(folder: Path, *, environ: Any = None, **options: Any) -> Any:
    return locate(
        Options(**options),
        cwd=str(folder),
        environ=environ or {},
        read_stdin=lambda: b"services: {s: {image: i}}",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  web:\n    image: a\n    prots: []", "compose.yaml:4:5: services.web.prots: unknown key"),
        ("services:\n  web:\n    image: a\n    ports: 80", "compose.yaml:4:12: services.web.ports: is the number 80, expected a list"),
        ("services:\n  web:\n    image: a\n    ports: [x]",
         "compose.yaml:4:13: services.web.ports[0]: 'x' is no port, expected 1 to 65535, or a range such as 8000-8005"),
        ("services: {web: {}}", "compose.yaml:1:17: services.web: has neither an image nor a build, expected `image:` or `build:`"),
        ("services: {web: {image: a, init: maybe}}", "services.web.init: is the text 'maybe', expected true or false"),
        ("services: {web: {image: [a]}}", "compose.yaml:1:25: services.web.image: is a list, expected text"),
        ("services: {web: {image: a, depends_on: [db]}}", "services.web.depends_on: no such service: 'db', expected one of web"),
        ("services: {web: {image: a, depends_on: [web]}}", "a service can't depend on itself"),
        ("services: {web: {image: a, networks: [n]}}", "services.web.networks: no such network: 'n', expected one of the top-level"),
        ("services: {web: {image: a, volumes: ['v:/v']}}", "services.web.volumes: no such volume: 'v', expected one of the top-level"),
        ("services: {web: {image: a, volumes: ['v']}}", "'v' is mounted at 'v', expected an absolute path"),
        ("services: {web: {image: a, restart: sometimes}}", "'sometimes' is no restart policy, expected no, always"),
        ("services: {web: {image: a, healthcheck: {interval: 5}}}", "services.web.healthcheck.interval: '5' is not a duration"),
        ("services: {web: {image: a, healthcheck: {test: [curl]}}}", "begins with 'curl', expected NONE, CMD or CMD-SHELL first"),
        ("services: {web: {image: a, mem_limit: lots}}", "services.web.mem_limit: 'lots' is not a size"),
        ("services: {web: {image: a, depends_on: {db: {condition: healthy}}}, db: {image: b}}",
         "'healthy' is not known, expected service_started, service_healthy or service_completed_successfully"),
        ("services: {web: {image: a, secrets: [s]}}", "no such secret: 's', expected one of the top-level `secrets:`"),
        ("services: {web: {image: a, env_file: none.env}}", "services.web.env_file: no such file: none.env"),
        ("services: {web: {image: a, container_name: x, scale: 2}}", "can't be used with 2 replicas"),
        ("services: {web: {image: a, networks: [default], network_mode: host}}", "excludes network_mode: host"),
        ("services: {web: {image: a, command: \"a 'b\"}}", "services.web.command: can't be split into words: no closing quotation"),
        ("services: {'a b': {image: a}}", "services.a b: is no service name"),
        ("services: [web]", "compose.yaml:1:11: services: is a list, expected a mapping of names"),
        ("services: {}", "compose.yaml: no services"),
        ("servces: {}", "compose.yaml:1:1: servces: unknown key"),
        ("services: {web: {image: '${X:?say which}'}}", "compose.yaml:1:25: services.web.image: the variable X is required"),
        ("name: Shop!\nservices: {a: {image: b}}", "name: 'Shop!' is no project name"),
        ("services: {a: {image: x, container_name: c}, b: {image: x, container_name: c}}", "'c' is also the name of a's"),
        ("services: {a: {image: x, deploy: {replicas: -1}}}", "services.a.deploy.replicas: is the number -1, expected a whole number"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is told with file, line, column, path, and what was expected."""
    with pytest.raises(InvalidArgument) as caught:
        a_project(text, tmp_path, name="")
    assert message in str(caught.value)


def test_near_key(tmp_path: Path) -> None:
    """An unknown key comes with the known one that is near."""
    with pytest.raises(InvalidArgument) as caught:
        a_project("services: {web: {image: a, enviroment: {}}}", tmp_path)
    assert caught.value.hint == "did you mean 'environment'?"


def test_unsupported(tmp_path: Path) -> None:
    """A key of the specification that would change what runs, and is not done, is refused as such."""
    with pytest.raises(Unimplemented, match=r"compose\.yaml:1:28: services\.web\.models: not supported"):
        a_project("services: {web: {image: a, models: [b]}}", tmp_path)


def test_circle(tmp_path: Path) -> None:
    """Dependencies in a circle are shown."""
    project = a_project(
        "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}", tmp_path
    )
    with pytest.raises(InvalidArgument, match=r"goes in a circle: a → b → a"):
        project.selection(())


def test_long_chains(tmp_path: Path) -> None:
    """Chains that no project has are refused, not followed until the stack ends."""
    links = ", ".join(f"s{n}: {{image: x, depends_on: [s{n + 1}]}}" for n in range(2000))
    with pytest.raises(InvalidArgument, match="a chain of more than 200 dependencies"):
        a_project(f"services: {{{links}, s2000: {{image: x}}}}", tmp_path).selection(())
    links = ", ".join(f"s{n}: {{extends: s{n + 1}}}" for n in range(2000))
    with pytest.raises(InvalidArgument, match="goes on for more than 64 steps"):
        a_project(f"services: {{{links}, s2000: {{image: x}}}}", tmp_path)


def test_service(tmp_path: Path) -> None:
    """Fields become values: absolute paths, bytes, nanoseconds, words."""
    text = """
    x-own: anything
    services:
      web:
        build: {context: ./app, args: [A=1, HOME], target: prod}
        command: python -m "my app"
        environment: {A: 1, B: null, C: true}
        ports: ["8000:80"]
        volumes: [".:/app", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
        networks: {b: , a: {aliases: [x]}, c: {priority: 5}}
        depends_on: {db: {condition: service_healthy, required: false}}
        healthcheck: {test: curl x, interval: 1m30s, retries: 2}
        deploy: {replicas: "2", resources: {limits: {cpus: 0.5, memory: 64m}}}
        stop_grace_period: 1m
        ulimits: {nofile: 10}
        secrets: [key]
        x-mine: 1
      db: {image: postgres}
    networks: {a: , b: , c: {name: other}}
    secrets: {key: {file: ./key.txt}}
    """
    project = a_project(text, tmp_path, environ={"HOME": "/h", "B": "from outside"})
    web = project.service("web")
    assert web.image == "shop-web"
    assert web.build is not None
    assert (web.build.context, web.build.args, web.build.target) == (
        str(tmp_path / "app"),
        {"A": "1", "HOME": "/h"},
        "prod",
    )
    assert web.command == ("python", "-m", "my app")
    assert web.environment == {"A": "1", "B": "from outside", "C": "true"}
    assert web.networks == (Attachment("c", priority=5), Attachment("a", aliases=("x",)), Attachment("b"))
    assert web.depends_on == (Dependency("db", Condition.HEALTHY, required=False),)
    assert web.healthcheck is not None
    assert web.healthcheck.test == ("CMD-SHELL", "curl x")
    assert web.healthcheck.interval == 90 * SECOND
    assert (web.replicas, web.resources.nano_cpus, web.resources.memory) == (2, 500_000_000, 64 << 20)
    assert web.stop_grace_period == 60 * SECOND
    targets = {mount.target: (mount.type, mount.source) for mount in web.mounts}
    assert targets["/run/secrets/key"] == ("bind", str(tmp_path / "key.txt"))
    assert project.networks["c"].name == "other"
    assert project.networks["a"].name == "shop_a"
    assert project.service("db").networks == (Attachment("default"),)


def test_environment_files(tmp_path: Path) -> None:
    """.env feeds the variables, env_file the container; `environment` wins over env_file."""
    (tmp_path / ".env").write_text("TAG=7\n")
    (tmp_path / "app.env").write_text("A=1\nB='x y'\n")
    text = "services: {web: {image: 'shop:${TAG}', env_file: app.env, environment: {A: 2}}}"
    web = a_project(text, tmp_path).service("web")
    assert web.image == "shop:7"
    assert web.environment == {"A": "2", "B": "x y"}
    assert a_project(text, tmp_path, environ={"TAG": "8"}).service("web").image == "shop:8"


def test_unset(tmp_path: Path) -> None:
    """A variable that is not set is warned of once."""
    warnings: list[str] = []
    a_project("services: {web: {image: 'a${T}', user: '$T'}}", tmp_path, warnings=warnings)
    assert warnings == ["the variable T is not set; it becomes empty"]


def test_profiles(tmp_path: Path) -> None:
    """Services with profiles are off until one is on, or until they are named."""
    text = "services: {web: {image: a}, debug: {image: b, profiles: [dev], depends_on: [tool]}, tool: {image: c, profiles: [x]}}"
    assert list(a_project(text, tmp_path).services) == ["web"]
    assert list(a_project(text, tmp_path, profiles=("dev", "x")).services) == ["web", "debug", "tool"]
    assert list(a_project(text, tmp_path, profiles=("*",)).services) == ["web", "debug", "tool"]
    off = a_project(text, tmp_path)
    with pytest.raises(NotFound, match="service 'debug' is off: its profiles are dev"):
        off.service("debug")
    assert [each.name for each in off.enabling(["debug"]).selection(["debug"])] == ["tool", "debug"]
    with pytest.raises(InvalidArgument, match="'tool' is off by its profiles"):
        a_project(text, tmp_path, profiles=("dev",)).selection(())


def test_no_such_service(tmp_path: Path) -> None:
    """A service that is not there is told with those that are."""
    with pytest.raises(NotFound, match="no such service: wep") as caught:
        a_project("services: {web: {image: a}}", tmp_path).service("wep")
    assert caught.value.hint == "this project has: web"


def test_files(tmp_path: Path) -> None:
    """compose.yaml is found here or above, with its override; -f and COMPOSE_FILE choose others."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "compose.yaml").write_text("services: {web: {image: a}}")
    assert [Path(path).name for path, _ in located(below).files] == ["compose.yaml"]
    assert located(below).directory == str(tmp_path)
    (tmp_path / "compose.override.yaml").write_text("services: {web: {image: b}}")
    location = located(below)
    assert load_project(location).service("web").image == "b"
    (tmp_path / "other.yaml").write_text("services: {web: {image: c}}")
    assert load_project(located(tmp_path, files=("compose.yaml", "other.yaml"))).service("web").image == "c"
    assert load_project(located(tmp_path, environ={"COMPOSE_FILE": "other.yaml"})).service("web").image == "c"
    assert list(load_project(located(tmp_path, files=("-",))).services) == ["s"]
    with pytest.raises(NotFound, match="cannot read none"):
        located(tmp_path, files=("none.yaml",))


def test_no_file(tmp_path: Path) -> None:
    """Without a Compose file the error says where it was looked for."""
    with pytest.raises(
        NotFound, match=f"no Compose file in {re.escape(str(tmp_path))} or any folder above it"
    ):
        located(tmp_path)


def test_name(tmp_path: Path) -> None:
    """The name: by flag, by COMPOSE_PROJECT_NAME (also in .env), in the file, by the folder."""
    folder = tmp_path / "My Shop_1"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {web: {image: a}}")
    assert load_project(located(folder)).name == "myshop_1"
    (folder / "compose.yaml").write_text("name: ${N:-written}\nservices: {web: {image: a}}")
    assert load_project(located(folder)).name == "written"
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=dotenv")
    assert load_project(located(folder)).name == "dotenv"
    assert load_project(located(folder, environ={"COMPOSE_PROJECT_NAME": "outside"})).name == "outside"
    assert load_project(located(folder, name="flag")).name == "flag"
    with pytest.raises(InvalidArgument, match="'Flag' is no project name"):
        located(folder, name="Flag")
    with pytest.raises(InvalidArgument, match="gives no project name"):
        folder_name("/!!!")


KEYS = st.sampled_from(
    ["image", "build", "command", "environment", "ports", "volumes", "networks", "depends_on", "healthcheck", "deploy",
     "labels", "env_file", "ulimits", "logging", "tmpfs", "extra_hosts", "restart", "scale", "secrets", "cpus",
     "mem_limit", "network_mode", "profiles", "devices", "sysctls", "context", "test", "resources", "limits", "x-a"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True),
    st.text(alphabet="ab/:=.-${}0 ~,", max_size=12), st.sampled_from(["80:80", "./a:/b", "1m", "service_healthy"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(
    st.dictionaries(KEYS, VALUES, max_size=6),
    st.dictionaries(st.sampled_from(["networks", "volumes", "secrets", "name", "x-b"]), VALUES, max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_any_service(service: dict[str, Any], top: dict[str, Any]) -> None:
    """Whatever a service holds, the answer is a project or one error of ours."""
    import json

    from yurt.compose.hash import service_hash
    from yurt.compose.show import shown

    text = json.dumps({"services": {"web": {"image": "a", **service}}, **top}).encode()
    location = Location(
        "/project", (("/project/compose.yaml", text),), {"HOME": "/h"}, (), (), "shop", "/project"
    )
    try:
        project = load_project(location)
        for each in project.services.values():
            service_hash(project, each)
        shown(project, "yaml")
    except YurtError as error:
        assert str(error)  # noqa: PT017 - or no error at all


def test_shown_again(tmp_path: Path) -> None:
    """What `config` prints is a Compose file of the same project."""
    from yurt.compose.show import shown

    text = """
    services:
      web:
        build: .
        command: [a, b]
        environment: {A: "$$x"}
        ports: ["127.0.0.1:80:80/udp", 81]
        volumes: ["d:/d:ro", "./x:/x"]
        healthcheck: {test: "true", interval: 1m30s, timeout: 250ms}
        depends_on: [db]
      db: {image: p, mem_limit: 1g, init: false, stop_grace_period: 2h}
    volumes: {d: }
    """
    project = a_project(text, tmp_path)
    printed = shown(project, "yaml")
    assert load(printed, "f")
    again = a_project(printed, tmp_path)
    assert shown(again, "yaml") == printed


def test_shown_as_docker_compose_shows_it(tmp_path: Path) -> None:
    """The order of keys and names, what is left out, and the long forms are Docker Compose's: no line differs."""
    from yurt.compose.show import shown

    text = """
    x-last: {b: 1, a: 2}
    services:
      web:
        volumes: [./page.html:/page.html:ro, kept:/kept, /alone]
        ports: ["127.0.0.1:8080:80"]
        init: false
        healthcheck: {retries: 3, interval: 90s, test: [CMD, "true"]}
        environment: {B: "on", A: 10.0.0.1}
        depends_on: [cache]
        command: [serve, --port, "80", --greeting, 'a: b']
        build: {target: dev, context: .}
        x-own: 1
      cache: {image: redis, attach: false, sysctls: {net.core.somaxconn: 1024}}
    volumes: {kept: }
    """
    assert (
        shown(a_project(text, tmp_path), "yaml").replace(str(tmp_path), "/shop")
        == """\
name: shop
services:
  cache:
    attach: false
    image: redis
    networks:
      default: null
    sysctls:
      net.core.somaxconn: "1024"
  web:
    build:
      context: /shop
      dockerfile: Dockerfile
      target: dev
    command:
      - serve
      - --port
      - "80"
      - --greeting
      - 'a: b'
    depends_on:
      cache:
        condition: service_started
        required: true
    environment:
      A: 10.0.0.1
      B: "on"
    healthcheck:
      test:
        - CMD
        - "true"
      interval: 1m30s
      retries: 3
    init: false
    networks:
      default: null
    ports:
      - mode: ingress
        host_ip: 127.0.0.1
        target: 80
        published: "8080"
        protocol: tcp
    volumes:
      - type: bind
        source: /shop/page.html
        target: /page.html
        read_only: true
        bind:
          create_host_path: true
      - type: volume
        source: kept
        target: /kept
        volume: {}
      - type: volume
        target: /alone
        volume: {}
    x-own: 1
networks:
  default:
    name: shop_default
volumes:
  kept:
    name: shop_kept
x-last:
  a: 2
  b: 1
"""
    )


def test_projects_for_development_are_read_as_they_stand(tmp_path: Path) -> None:
    """What public samples use beside each other: nothing is refused, and it means what it says there."""
    text = """
    version: "3.7"  # read by nobody any more
    x-shared: &shared # one for all
      restart: unless-stopped
      environment: &settings {DB_HOST: db, DB_PASSWORD_FILE: /run/secrets/db-password}
    services:
      frontend:
        <<: *shared
        build: {context: frontend, target: development, args: [NODE_ENV=development]}
        stdin_open: true
        ports: ["3000:3000", 9229:9229, '53:53/udp']
        volumes:
          - ./frontend/src:/code/src:ro
          - ./frontend/package.json:/code/package.json
          - /code/node_modules
          - modules:/opt/node_modules
          - "~/media:/media"
          - {type: bind, source: ./proxy/site.conf, target: /etc/site.conf, read_only: true}
        depends_on: [ backend ]
        networks: [outside]
        develop: {watch: [{action: sync, path: ./frontend/src, target: /code/src}]}
      backend:
        <<: *shared
        build: backend
        environment: {<<: *settings, ZONE: "${ZONE}", RANGE: "172.20.0.2#5054;1.1.1.1"}
        expose: [8000, 33060]
        secrets: [db-password]
        stop_signal: SIGINT
        command: /bin/sh -c "render < /tmp/a.conf > /etc/a.conf && serve -g 'daemon off;'"
        healthcheck: {test: [ "CMD-SHELL", 'test "$$(cat /run/secrets/db-password)" || exit 1' ], interval: 10s}
        depends_on: {db: {condition: service_healthy}}
        networks:
          outside:
          inside: {ipv4_address: 172.20.0.2}
        extra_hosts: ["printer:192.0.2.7"]
        sysctls: [net.ipv4.conf.all.src_valid_mark=1]
        cap_add:
          - NET_ADMIN # with a remark
      db:
        image: "postgres:${PG:?the version of PostgreSQL}"
        user: postgres
        secrets: [db-password]
        deploy: {resources: {limits: {memory: 1.5G}}}
        ulimits: {memlock: {soft: -1, hard: -1}}
        command: >
          postgres
          -c shared_buffers=128MB
        volumes: [db-data:/var/lib/postgresql/data]
        networks: [inside]
    volumes:
      modules:
      db-data: {}
    secrets:
      db-password: {file: db/password.txt}
    networks:
      outside:
      inside: {driver: bridge, ipam: {config: [{subnet: 172.20.0.0/24}]}}
    """
    (tmp_path / "db").mkdir()
    (tmp_path / "db/password.txt").write_text("s")
    with pytest.raises(InvalidArgument, match=r"the version of PostgreSQL"):
        a_project(text, tmp_path, environ={"HOME": "/home/ann"})
    warnings: list[str] = []
    project = a_project(text, tmp_path, environ={"HOME": "/home/ann", "PG": "17"}, warnings=warnings)
    front, back, db = (project.service(name) for name in ("frontend", "backend", "db"))
    assert [str(port) for port in front.ports] == ["3000:3000/tcp", "9229:9229/tcp", "53:53/udp"]
    assert [(m.type, m.source.replace(str(tmp_path), "."), m.read_only) for m in front.mounts] == [
        ("bind", "./frontend/src", True),
        ("bind", "./frontend/package.json", False),
        ("volume", "", False),
        ("volume", "modules", False),
        ("bind", "/home/ann/media", False),
        ("bind", "./proxy/site.conf", True),
    ]
    assert front.restart == back.restart == "unless-stopped"
    assert back.environment == {
        "DB_HOST": "db", "DB_PASSWORD_FILE": "/run/secrets/db-password", "ZONE": "", "RANGE": "172.20.0.2#5054;1.1.1.1"
    }  # fmt: skip
    assert back.command == ("/bin/sh", "-c", "render < /tmp/a.conf > /etc/a.conf && serve -g 'daemon off;'")
    assert back.healthcheck is not None
    assert back.healthcheck.test == ("CMD-SHELL", 'test "$(cat /run/secrets/db-password)" || exit 1')
    assert back.expose == ("8000", "33060")
    assert (db.command, db.resources.memory) == (("postgres", "-c", "shared_buffers=128MB"), 3 << 29)
    assert len(warnings) == 1
    assert "ZONE" in warnings[0]
