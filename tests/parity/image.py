"""The image that all cases run: busybox with a configuration that has something in every field."""

import hashlib
import io
import json
import tarfile

from tests.integration.engine_host import busybox_image

NAME = "busybox:parity"
PLAIN = "plain:parity"
CREATED = "2024-05-06T07:08:09.123456789Z"
LABELS = {"org.example.part": "base", "parity": "yes"}


def archive() -> bytes:
    """Return `docker save`'s form of two images on one layer: NAME with a full configuration, PLAIN with none."""
    layer = busybox_image()
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    full = {
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "GREETING=hello"],
        "Cmd": ["sh"],
        "WorkingDir": "/tmp",
        "Labels": LABELS,
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGKILL",
    }
    plain = {"Cmd": ["/bin/sh"]}
    files: dict[str, bytes] = {"layer.tar": layer}
    manifest = []
    for name, config in ((NAME, full), (PLAIN, plain)):
        body = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": CREATED,
                "author": "Parity",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [diff_id]},
                "history": [
                    {"created": CREATED, "created_by": "ADD rootfs.tar /", "comment": "the base"},
                    {"created": CREATED, "created_by": f"LABEL name={name}", "empty_layer": True},
                ],
            }
        ).encode()
        path = f"{hashlib.sha256(body).hexdigest()}.json"
        files[path] = body
        manifest.append({"Config": path, "RepoTags": [name], "Layers": ["layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
