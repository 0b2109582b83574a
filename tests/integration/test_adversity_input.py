"""Bad input through the real command line: one clear error on stderr, a status that is not 0, and no trace left."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.footprint import Footprint, assert_settles, footprint_at_rest

from yurt.client.sync import Client

pytestmark = pytest.mark.root


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Yurt:
    """The command line, in a folder, on an engine."""

    def __init__(self, engine: EngineHost, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def __call__(self, *words: str, data: bytes = b"") -> Result:
        done = subprocess.run(
            [Path(sys.executable).with_name("yurt"), *words],
            check=False,
            input=data,
            capture_output=True,
            timeout=60,
            cwd=self.folder,
            env=os.environ | {"YURT_HOST": self.engine.host, "NO_COLOR": "1"},
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def refuses(self, *words: str, data: bytes = b"", code: int = 1) -> str:
        """Return the error of a command that must fail: it begins with the command's name, and stands alone."""
        done = self(*words, data=data)
        assert done.code == code, done
        for text in (done.out, done.err):
            assert "Traceback" not in text, text
            assert "internal error" not in text, text
        errors = [line for line in done.err.splitlines() if line.startswith("yurt: ")]
        assert len(errors) == 1, done.err
        return done.err[done.err.index("yurt: ") + len("yurt: ") :]


@pytest.fixture
def yurt(engine: EngineHost, tmp_path: Path) -> Yurt:
    return Yurt(engine, tmp_path)


@pytest.fixture(scope="module")
def before(engine: EngineHost) -> Footprint:
    """What the engine holds before anything bad is put in; one build is done, so that its folders are there."""
    with Client(engine.host, timeout=30) as client:
        body = tar({"Dockerfile": f"FROM {IMAGE}\nRUN true\n".encode()})
        list(client.lines("POST", "/build", query={"t": "warm"}, body=body))
        client.json("POST", "/build/prune", query={"all": True})
    return footprint_at_rest(engine)


@pytest.fixture
def untouched(engine: EngineHost, before: Footprint) -> Iterator[None]:
    """Afterwards the engine holds what it held before: images, snapshots, blobs, containers, temporary files."""
    with Client(engine.host, timeout=30) as client:
        images = client.json("GET", "/images/json")
        yield
        assert client.json("GET", "/images/json") == images
        assert client.json("GET", "/containers/json", query={"all": True}) == []
        assert_settles(engine, before)


def tar(files: dict[str, bytes], *entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in entries:
            archive.addfile(entry)
    return buffer.getvalue()


def an_entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def an_image(layer: bytes, **wrong: object) -> bytes:
    """Return a docker-archive of one layer, with parts of it replaced by what is *wrong*."""
    config = wrong.get("config") or {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = wrong.get("manifest") or [{"Config": "c.json", "RepoTags": ["bad:1"], "Layers": ["l.tar"]}]
    return tar({
        "l.tar": layer,
        "c.json": config if isinstance(config, bytes) else json.dumps(config).encode(),
        "manifest.json": manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode(),
    })  # fmt: skip


GOOD = tar({"file": b"x" * 5000})


def a_layout(**wrong: bytes) -> bytes:
    """Return an OCI layout whose index names a blob that is not there, or what is *wrong*."""
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": "sha256:" + "0" * 64,
                "size": 10,
                "annotations": {"org.opencontainers.image.ref.name": "bad:1"},
            }
        ],
    }
    return tar(
        {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()} | wrong
    )


ARCHIVES = {
    "empty": b"",
    "garbage": os.urandom(3000),
    "text": b"this is no archive\n" * 100,
    "an empty tar": tar({}),
    "no manifest": tar({"a": b"b"}),
    "truncated": an_image(GOOD)[:4000],
    "truncated gzip": gzip.compress(an_image(GOOD))[:-200],
    "broken gzip": gzip.compress(an_image(GOOD))[:-8] + b"\0" * 8,
    "manifest no JSON": an_image(GOOD, manifest=b"{"),
    "manifest of another shape": an_image(GOOD, manifest=b'{"Layers": 7}'),
    "manifest of numbers": an_image(GOOD, manifest=b"[1, 2]"),
    "config no JSON": an_image(GOOD, config=b"nonsense"),
    "config of another shape": an_image(GOOD, config=b'{"rootfs": 7}'),
    "layer missing": an_image(GOOD, manifest=b'[{"Config":"c.json","RepoTags":["bad:1"],"Layers":["none.tar"]}]'),
    "config missing": an_image(GOOD, manifest=b'[{"Config":"none.json","RepoTags":["bad:1"],"Layers":["l.tar"]}]'),
    "config elsewhere": an_image(
        GOOD, manifest=b'[{"Config":"../../../etc/passwd","RepoTags":["bad:1"],"Layers":["l.tar"]}]'
    ),
    "tag no reference": an_image(GOOD, manifest=b'[{"Config":"c.json","RepoTags":["BAD name"],"Layers":["l.tar"]}]'),
    "layer of another digest": an_image(
        GOOD,
        config=b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:' + b"0" * 64 + b'"]}}',
    ),
    "layer no tar": an_image(b"no tar at all" * 100),
    "layer truncated": an_image(GOOD[:3000]),
    "layout with a blob missing": a_layout(),
    "layout with an index that is none": a_layout(**{"index.json": b"[]"}),
    "names that lead out": tar({"../../evil": b"x", "/etc/evil": b"y"}),
}  # fmt: skip


@pytest.mark.parametrize("what", ARCHIVES)
@pytest.mark.usefixtures("untouched")
def test_a_broken_archive_is_refused_by_load(yurt: Yurt, what: str) -> None:
    """Whatever is wrong with it, it leaves no blob, no snapshot, no name."""
    error = yurt.refuses("load", data=ARCHIVES[what])
    assert len(error.strip()) > 10, error


HOSTILE = {
    "climbs out": tar({"../../../../tmp/yurt-evil": b"x"}),
    "through a link": tar({}, an_entry("out", tarfile.SYMTYPE, "/tmp"))[:-1024] + tar({"out/yurt-evil": b"x"}),
    "through a relative link": tar({}, an_entry("a", tarfile.SYMTYPE, "../../../../tmp"))[:-1024]
    + tar({"a/yurt-evil": b"x"}),
    "hard link outwards": tar({}, an_entry("passwd", tarfile.LNKTYPE, "../../../../../../etc/passwd")),
    "absolute": tar({"/tmp/yurt-evil": b"x"}),
}  # fmt: skip
EVIL = Path("/tmp/yurt-evil")


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("how", ["import", "load"])
def test_a_hostile_archive_stays_inside(yurt: Yurt, what: str, how: str) -> None:
    """Refused, or unpacked below its own root: the host never sees a file of it."""
    layer = HOSTILE[what]
    passwd = Path("/etc/passwd").stat()
    if how == "import":
        done = yurt("import", "-", "bad:1", data=layer)
    else:
        done = yurt("load", data=an_image(layer))
    assert done.code in {0, 1}
    assert "Traceback" not in done.err
    assert not EVIL.exists()
    assert Path("/etc/passwd").stat().st_nlink == passwd.st_nlink
    if done.code == 0:
        assert yurt("rmi", "bad:1").code == 0
    else:
        assert yurt("images", "-q", "bad:1").out == ""


@pytest.mark.parametrize("data", [b"", b"text " * 1000, gzip.compress(GOOD)[:-300], GOOD[:3000]])
@pytest.mark.usefixtures("untouched")
def test_a_broken_archive_is_refused_by_import(yurt: Yurt, data: bytes) -> None:
    """As by load."""
    yurt.refuses("import", "-", "bad:1", data=data)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, ("no FROM",)),
        ("RUN true\n", 1, ("FROM",)),
        (f"FROM {IMAGE}\nRUNN true\n", 2, ("RUNN", "RUN")),
        (f"FROM {IMAGE}\n\nCOPY onlyone\n", 3, ("COPY",)),
        (f"FROM {IMAGE}\nEXPOSE http\n", 2, ("port", "http")),
        (f"FROM {IMAGE}\nENV\n", 2, ("ENV",)),
        (f"FROM {IMAGE}\nCOPY --from=nowhere a b\n", 2, ("nowhere",)),
        (f"FROM {IMAGE}\nCOPY missing.txt /\n", 2, ("missing.txt",)),
        (f"FROM {IMAGE}\nCMD ['single']\nHEALTHCHECK --interval=soon CMD true\n", 3, ("interval", "soon")),
        (f"FROM {IMAGE}\nRUN <<END\necho never ended\n", 2, ("END",)),
        (f"FROM {IMAGE} AS Bad Name\n", 1, ("FROM",)),
        ("FROM $NOTHING\n", 1, ("NOTHING",)),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_mistake_in_a_dockerfile_is_pointed_at(
    yurt: Yurt, text: str, line: int, words: tuple[str, ...]
) -> None:
    """File, line, what is wrong, what was expected; nothing is built."""
    (yurt.folder / "Dockerfile").write_text(text)
    error = yurt.refuses("build", "-t", "bad:1", ".")
    if line:
        assert f"Dockerfile:{line}:" in error
    for word in words:
        assert word in error


@pytest.mark.parametrize("reference", ["debian:99", "python:2.7", "postgres:1"])
@pytest.mark.usefixtures("untouched")
def test_an_unknown_tag_says_which_can_be_had(yurt: Yurt, reference: str) -> None:
    """In a FROM and in a pull."""
    (yurt.folder / "Dockerfile").write_text(f"# base\nFROM {reference}\nRUN true\n")
    known = {"debian": "bookworm", "python": "3.11", "postgres": "postgres:"}[reference.partition(":")[0]]
    for error in (yurt.refuses("build", "."), yurt.refuses("pull", reference)):
        assert reference in error
        assert known in error
    assert "Dockerfile:2: " in yurt.refuses("build", ".")


@pytest.mark.usefixtures("untouched")
def test_no_dockerfile_and_no_context(yurt: Yurt) -> None:
    """The path is named."""
    assert "Dockerfile" in yurt.refuses("build", ".")
    assert "/nowhere" in yurt.refuses("build", "/nowhere")


@pytest.mark.usefixtures("untouched")
def test_a_failing_step_leaves_nothing_but_the_cache_before_it(yurt: Yurt) -> None:
    """Output, line and exit code are shown; the mended build does not do the earlier steps again."""
    text = f"FROM {IMAGE}\nRUN echo once > /first\nRUN echo working; echo broken >&2; exit 7\n"
    (yurt.folder / "Dockerfile").write_text(text)
    done = yurt("build", "-t", "bad:1", ".")
    assert done.code == 1
    assert "working" in done.out + done.err
    assert "broken" in done.out + done.err
    assert "Dockerfile:3: " in done.err
    assert "exit code 7" in done.err
    assert yurt("images", "-q", "bad:1").out == ""
    assert yurt("ps", "-aq").out == ""
    (yurt.folder / "Dockerfile").write_text(text.replace("exit 7", "exit 0"))
    assert "Using cache" in yurt("build", "-t", "good:1", ".").out
    yurt("rmi", "good:1")
    with Client(yurt.engine.host, timeout=30) as client:
        client.json("POST", "/build/prune", query={"all": True})


def compose(*lines: str) -> str:
    return "services:\n  web:\n    image: busybox:test\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("services:\n  web:\n   image: a\n  - b\n", "4", ()),
        ("services:\n\tweb: {}\n", "2", ("tab",)),
        (compose("comand: x"), "4:5", ("comand", "command")),
        (compose("ports: 80"), "4", ("ports", "list")),
        (compose("ports: ['x:y:z:w']"), "4", ("x:y:z:w",)),
        (compose("environment: 7"), "4", ("environment",)),
        (compose("depends_on: [db]"), "4", ("db",)),
        (compose("networks: [front]"), "4", ("front",)),
        (compose("volumes: ['data:/data']"), "4", ("data",)),
        (compose("restart: sometimes"), "4", ("sometimes", "always")),
        (compose("healthcheck:", "  test: ['CMD', 'true']", "  interval: soon"), "6", ("soon",)),
        (compose("command: ${NEEDED:?say what}"), "4", ("NEEDED", "say what")),
        (compose("command: ${broken"), "4", ("${broken",)),
        (compose("image: twice"), "4", ("image",)),
        ("services: []\n", "1", ("services",)),
        ("servces:\n  web: {image: a}\n", "1:1", ("servces", "services")),
        ("services:\n  web: {}\n", "2", ("image", "build")),
        (compose("depends_on: [web]"), "4", ("web",)),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_mistake_in_a_compose_file_is_pointed_at(
    yurt: Yurt, text: str, place: str, words: tuple[str, ...]
) -> None:
    """File, line (and column), what is wrong, what was expected; nothing is made."""
    (yurt.folder / "compose.yaml").write_text(text)
    error = yurt.refuses("compose", "up", "-d")
    assert f"compose.yaml:{place}" in error
    for word in words:
        assert word in error


@pytest.mark.usefixtures("untouched")
def test_a_project_that_cannot_start_leaves_what_is_said(yurt: Yurt, engine: EngineHost) -> None:
    """A program that is not there and a missing image: the service is named, and down removes the rest."""
    (yurt.folder / "compose.yaml").write_text(compose("command: [nosuch]"))
    error = yurt.refuses("compose", "up", "-d")
    assert "nosuch" in error
    assert "web" in error
    assert yurt("compose", "down", "-v").code == 0
    (yurt.folder / "compose.yaml").write_text("services:\n  web:\n    image: nowhere.invalid/none:1\n")
    assert "nowhere.invalid/none:1" in yurt.refuses("compose", "up", "-d")
    assert yurt("compose", "down", "-v").code == 0
