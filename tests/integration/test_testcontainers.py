"""Testcontainers for Python, as its users write it: a PostgreSQL and a Redis of the catalog's images.

Ryuk, the container that cleans up after a test run that was killed, is switched off by TESTCONTAINERS_RYUK_DISABLED:
its image is in a registry only, and nothing of Debian is like it. What a `with` block started it ends itself.
"""

import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.conftest import Needs
from tests.integration.engine_host import EngineHost

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def environment(engine: EngineHost, needs: Needs, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Testcontainers finds the engine as Docker's clients do, by DOCKER_HOST."""
    needs.program("mmdebstrap")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    yield
    assert engine.client().containers.list(all=True) == []
    gc.collect()  # docker-py's forgotten sockets count for this test


def pulled(engine: EngineHost, image: str) -> str:
    """Have *image* there before Testcontainers' own patience with a pull begins."""
    client = engine.client()
    client.api.timeout = 800
    for line in client.api.pull(*image.split(":"), stream=True, decode=True):
        assert "error" not in line, line
    return image


def closed(container: "DockerContainer") -> None:
    """Close its client, which Testcontainers leaves to the end of the process."""
    container.get_docker_client().client.close()


def test_postgresql(engine: EngineHost) -> None:
    """A database of its own comes up, is asked over its published port, and is gone afterwards."""
    from testcontainers.community.postgres import PostgresContainer

    image = pulled(engine, "postgres:15")
    with PostgresContainer(
        image, username="shop", password="it's secret", dbname="shop", driver=None
    ) as postgres:
        with psycopg.connect(
            host=postgres.get_container_host_ip(),
            port=int(postgres.get_exposed_port(5432)),
            user="shop",
            password="it's secret",
            dbname="shop",
        ) as connection:
            connection.execute("CREATE TABLE goods (name text)")
            connection.execute("INSERT INTO goods VALUES ('yurt')")
            assert connection.execute("SELECT name FROM goods").fetchall() == [("yurt",)]
        code, output = postgres.exec(["psql", "-U", "shop", "-tAc", "SELECT name FROM goods"])
        assert (code, output.decode().strip()) == (0, "yurt")
        assert "database system is ready to accept connections" in b"".join(postgres.get_logs()).decode()
    closed(postgres)


def test_redis(engine: EngineHost) -> None:
    """A server with a password answers its client, and refuses one without."""
    import redis
    from testcontainers.community.redis import RedisContainer

    with RedisContainer(pulled(engine, "redis:7"), password="secret") as server:
        with server.get_client() as client:
            client.set("yurt", "felt")
            assert client.get("yurt") == b"felt"
        with redis.Redis(server.get_container_host_ip(), int(server.get_exposed_port(6379))) as stranger:
            with pytest.raises(redis.AuthenticationError):
                stranger.get("yurt")
    closed(server)


def test_a_container_of_one_s_own(engine: EngineHost) -> None:
    """A plain container on a network of its own, waited for by a line of its log, with a file mapped into it."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    with Network() as network:
        script = "echo ready; exec httpd -f -p 80 -h /etc"
        with (
            DockerContainer("busybox:test")
            .with_command(["sh", "-c", script])
            .with_exposed_ports(80)
            .with_env("GREETING", "hello")
            .with_network(network)
            .with_network_aliases("web")
            .waiting_for(LogMessageWaitStrategy("ready"))
        ) as web:
            assert web.exec(["sh", "-c", "echo $GREETING"]).output == b"hello\n"
            found = web.exec(["wget", "-qO-", "http://web/passwd"])
            assert found.exit_code == 0
            assert b"root:" in found.output
        closed(web)
