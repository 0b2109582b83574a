"""Every key of the Compose specification, one by one: honoured, accepted without meaning, or refused with a reason."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from yurt.compose import payload
from yurt.compose.model import NOWHERE, Project
from yurt.compose.project import Options, load_project, locate
from yurt.errors import Unimplemented, YurtError
from yurt.values import replace

ROOT = Path(__file__).parents[2]
ROWS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("keys.yaml").read_text())

# What stands at a place when a key below it is tried; after "=": beside that very key, or what is below it.
# The last that fits counts.
BESIDE: list[tuple[str, Any]] = [
    ("configs.*", {"content": "base"}),
    ("=configs.*.environment", {"environment": "OTHER"}),
    ("=configs.*.file", {"file": "./base.txt"}),
    ("=configs.*.external", {}),
    ("secrets.*", {"file": "./base.txt"}),
    ("=secrets.*.environment", {"environment": "OTHER"}),
    ("=secrets.*.external", {}),
    ("include[]", {"path": ["included.yaml"]}),
    ("networks.*.ipam.config[]", {"subnet": "10.1.0.0/24"}),
    ("services.*", {"image": "i"}),
    *((f"services.*.blkio_config.device_{way}_{unit}[]", {"path": "/dev/sda", "rate": 5})
      for way in ("read", "write") for unit in ("bps", "iops")),
    ("services.*.blkio_config.weight_device[]", {"path": "/dev/sda", "weight": 300}),
    ("services.*.build", {"context": "."}),
    ("services.*.build.ulimits.*", {"soft": 1, "hard": 9}),
    ("services.*.build.secrets[]", {"source": "token"}),
    ("services.*.configs[]", {"source": "made"}),
    ("services.*.secrets[]", {"source": "file"}),
    ("services.*.deploy.resources.reservations.devices[]", {"capabilities": ["gpu"]}),
    ("services.*.deploy.restart_policy", {"condition": "on-failure"}),
    ("services.*.develop.watch[]", {"path": "a", "action": "sync+exec", "target": "/t", "exec": {"command": "base"}}),
    ("services.*.develop.watch[].exec", {"command": "base"}),
    ("services.*.devices[]", {"source": "/dev/null"}),
    ("services.*.env_file[]", {"path": "file.env"}),
    ("=services.*.env_file[].required", {"path": "none.env"}),
    ("services.*.extends", {"service": "third"}),
    ("=services.*.extends.file", {"service": "another"}),
    ("services.*.gpus[]", {}),
    ("services.*.healthcheck", {"test": "base"}),
    ("services.*.logging", {"driver": "base"}),
    ("services.*.ports[]", {"target": 80}),
    ("services.*.post_start[]", {"command": "base"}),
    ("services.*.pre_stop[]", {"command": "base"}),
    ("services.*.ulimits.*", {"soft": 1, "hard": 9}),
    ("services.*.volumes[]", {"type": "bind", "source": "/a", "target": "/b"}),
    ("=services.*.volumes[].volume", {"type": "volume", "source": "vol", "target": "/b"}),
    ("=services.*.volumes[].tmpfs", {"type": "tmpfs", "target": "/b"}),
    ("=services.*.volumes[].image", {"type": "image", "source": "i", "target": "/b"}),
]  # fmt: skip
NAMES = {"services": "web", "networks": "net", "volumes": "vol", "configs": "made", "secrets": "token",
         "depends_on": "other", "ulimits": "nofile", "models": "m"}  # fmt: skip
BASE: dict[str, Any] = {
    "services": {"web": {"image": "i"}, "other": {"image": "o", "command": "other"}, "third": {"image": "t"}},
    "networks": {"net": {}},
    "volumes": {"vol": {}},
    "configs": {"made": {"content": "base"}, "file": {"file": "./file.txt"}},
    "secrets": {"token": {"environment": "VARIABLE"}, "file": {"file": "./file.txt"}},
}
FILES = {
    "file.txt": "text",
    "base.txt": "base",
    "other.txt": "other",
    "file.env": "A='1'\n",
    "second.yaml": "services: {second: {image: s}}",
    "other.env": "A=2\nWHO=other\n",
    "included.yaml": "services: {included: {image: 'x:${WHO-none}', build: .}, another: {image: elsewhere}}",
}


def document(key: str, value: Any, *, present: bool) -> dict[str, Any]:
    """Return the base document with what *key* needs beside it, and if *present* with *key* itself."""
    root = copy.deepcopy(BASE)
    here: Any = root
    steps = key.split(".")
    path = ""
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        name, is_list = step.removesuffix("[]"), step.endswith("[]")
        parent = path
        path = f"{path}.{step}" if path else step
        if name == "*":
            name = NAMES[steps[number - 1].removesuffix("[]")]
        if last:
            room = beside(key, parent)
            if room is not None:
                here.clear()
                here.update(room)
            if present:
                here[name] = value
            break
        room = beside(key, path)
        if is_list:
            if not isinstance(here.get(name), list):
                here[name] = [room if room is not None else {}]
            here = here[name][0]
        else:
            if not isinstance(here.get(name), dict):
                here[name] = room if room is not None else {}
            here = here[name]
    return root


def beside(key: str, path: str) -> Any:
    """Return a copy of what stands at *path* when *key* is tried; None if nothing is said of it."""
    found = None
    for pattern, room in BESIDE:
        if pattern.startswith("="):
            only = pattern[1:]
            fits = (key == only or key.startswith(f"{only}.")) and path == only.rpartition(".")[0]
        else:
            fits = path == pattern and key != pattern
        if fits:
            found = room
    return copy.deepcopy(found)


def loaded(folder: Path, text: Any) -> Project | str:
    """Return the project, without the places where things stand; or the error."""
    (folder / "compose.yaml").write_text(json.dumps(text))
    environ = {"VARIABLE": "value", "OTHER": "other"}
    try:
        location = locate(Options(), cwd=str(folder), environ=environ, read_stdin=bytes)
        project = load_project(location)
    except Unimplemented:
        raise
    except YurtError as error:
        return str(error)
    services = {name: replace(each, at=NOWHERE) for name, each in project.services.items()}
    disabled = {name: replace(each, at=NOWHERE) for name, each in project.disabled.items()}
    return replace(project, services=services, disabled=disabled)


@pytest.mark.parametrize("row", ROWS, ids=[row["key"] for row in ROWS])
def test_key(tmp_path: Path, row: dict[str, Any]) -> None:
    """A key that is honoured changes the project, one without meaning does not, and one refused says why."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    key = row["key"]
    wanted = document(key, row["value"], present=True)
    if row.get("is") == "refused":
        with pytest.raises(Unimplemented) as caught:
            loaded(tmp_path, wanted)
        assert "compose.yaml:1:" in caught.value.message
        assert ": not supported: " in caught.value.message
        return
    without, changed = loaded(tmp_path, document(key, row["value"], present=False)), loaded(tmp_path, wanted)
    assert isinstance(changed, Project), changed
    assert (changed == without) is (row.get("is") == "nothing"), (without, changed)
    for service in changed.services.values():
        json.dumps(payload.specification(changed, service))  # it can be sent


def test_rows() -> None:
    """Reasons stand where something has no meaning, and the tests that are named exist."""
    for row in ROWS:
        assert set(row) <= {"key", "value", "is", "why", "test"}, row
        assert ("why" in row) == (row.get("is") == "nothing"), row
        if "test" in row:
            path, _, name = row["test"].partition("::")
            assert f"def {name}" in (ROOT / path).read_text(), row
    assert len({row["key"] for row in ROWS}) == len(ROWS) == 344
