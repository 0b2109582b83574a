"""Run dockerode's tests on a throw-away engine, or on the one that DOCKER_HOST names: `scripts/clients --help`."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import docker
from tests.faults.registry import Registry, registry_address
from tests.integration.engine_host import IMAGE, EngineHost, busybox_image

TESTS = Path(__file__).with_name("dockerode.test.mjs")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/clients", description=__doc__)
    parser.add_argument("--docker", action="store_true", help="on the engine that DOCKER_HOST names")
    parser.add_argument(
        "--modules", type=Path, required=True, help="the folder in which npm has put dockerode"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yurt-test-") as name, contextlib.ExitStack() as undo:
        folder = Path(name)
        registry = Registry(folder)
        undo.callback(registry.close)
        registry.open()
        if arguments.docker:
            host = os.environ.get("DOCKER_HOST", "")
            repository, _colon, tag = IMAGE.partition(":")
            with contextlib.closing(docker.DockerClient(base_url=host)) as client:
                client.api.import_image_from_data(busybox_image(), repository=repository, tag=tag)
        else:
            engine = EngineHost(folder)
            undo.callback(engine.destroy)
            engine.start()
            undo.callback(engine.dismantle)
            engine.load_busybox()
            host = engine.host
        # Node looks for packages beside the file that imports them.
        (folder / "node_modules").symlink_to(arguments.modules / "node_modules")
        there = folder / TESTS.name
        there.write_bytes(TESTS.read_bytes())
        environ = os.environ | {"DOCKER_SOCKET": host.removeprefix("unix://"), "REGISTRY": registry_address()}
        ended = subprocess.run(["node", "--test", there], env=environ, check=False, timeout=300)
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
