"""What an image holds by its layers, and what a container of it shows: they must be the same."""

import gzip
import hashlib
import io
import json
import tarfile

from yurt.client.sync import Client

WHITEOUT = ".wh."
# Places that the engine makes in a container's file system to mount something there.
MADE = frozenset({"dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"})


def promised(client: Client, tag: str) -> dict[str, tuple[object, ...]]:
    """Return the files of an image as its layers tell them, each layer verified against the configuration."""
    with client.request("GET", f"/images/{tag}/get") as answer:
        saved = io.BytesIO(answer.read())
    with tarfile.open(fileobj=saved) as archive:
        manifest = json.loads(_content(archive, "manifest.json"))[0]
        config = json.loads(_content(archive, manifest["Config"]))
        files: dict[str, tuple[object, ...]] = {}
        for name, diff_id in zip(manifest["Layers"], config["rootfs"]["diff_ids"], strict=True):
            layer = _plain(_content(archive, name))
            found = f"sha256:{hashlib.sha256(layer).hexdigest()}"
            assert found == diff_id, f"{tag}: layer {diff_id} has the content {found}"
            _apply(files, layer)
    return files


def shown(client: Client, tag: str) -> dict[str, tuple[object, ...]]:
    """Return the files that a container of the image has."""
    made = client.json("POST", "/containers/create", json={"Image": tag, "Cmd": ["true"]})["Id"]
    try:
        with client.request("GET", f"/containers/{made}/export") as answer:
            exported = answer.read()
    finally:
        client.json("DELETE", f"/containers/{made}")
    files: dict[str, tuple[object, ...]] = {}
    _apply(files, exported)
    return {name: facts for name, facts in files.items() if name not in MADE}


def differences(client: Client, tag: str) -> list[str]:
    """Return the paths at which a container of the image does not show what its layers promise."""
    expected = {name: facts for name, facts in promised(client, tag).items() if name not in MADE}
    actual = shown(client, tag)
    return [
        f"{name}: {actual.get(name)} instead of {expected.get(name)}"
        for name in sorted(expected.keys() | actual.keys())
        if expected.get(name) != actual.get(name)
    ]


def _apply(files: dict[str, tuple[object, ...]], layer: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for entry in archive:
            path = entry.name.removeprefix("./").strip("/")
            folder, _slash, name = path.rpartition("/")
            if name.startswith(WHITEOUT):
                hidden = f"{folder}/{name.removeprefix(WHITEOUT)}".strip("/")
                for gone in [one for one in files if one == hidden or one.startswith(f"{hidden}/")]:
                    del files[gone]
            elif path not in {"", "."}:
                files[path] = _facts(archive, entry)


def _facts(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> tuple[object, ...]:
    digest = ""
    if entry.isreg():
        file = archive.extractfile(entry)
        assert file is not None
        digest = hashlib.sha256(file.read()).hexdigest()
    mode = "" if entry.issym() else oct(entry.mode)  # a link has none of its own
    return (entry.type, mode, entry.uid, entry.gid, entry.size, entry.linkname, digest)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _plain(layer: bytes) -> bytes:
    return gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
