"""Images on the wire: fields that come and go with the version of the API."""

import json

import pytest

from yurt.api.version import LATEST, ApiVersion
from yurt.oci.config import ImageConfig
from yurt.server import answers
from yurt.server.wire import images as translate


def shown(config: ImageConfig, version: ApiVersion) -> dict[str, object]:
    kind = translate.config_kind(version)
    found: dict[str, object] = json.loads(answers.encode(translate.config_to_wire(config, kind)))
    return found


def test_what_is_empty_is_null_or_left_out_as_in_docker() -> None:
    """Eight fields are always there; ports, shell, health check and stop signal only when the image has them."""
    assert shown(ImageConfig(), LATEST) == {
        "User": "", "Env": None, "Entrypoint": None, "Cmd": None, "Volumes": None, "WorkingDir": "",
        "Labels": None, "OnBuild": None,
    }  # fmt: skip
    assert shown(ImageConfig(stop_signal="SIGINT", shell=("sh",)), LATEST)["StopSignal"] == "SIGINT"


@pytest.mark.parametrize(("version", "has"), [(ApiVersion(1, 49), True), (ApiVersion(1, 50), False)])
def test_a_container_s_fields_were_there_until_1_49(version: ApiVersion, has: bool) -> None:
    """Clients of older versions find Hostname, Tty and their like, always empty."""
    assert ("Hostname" in shown(ImageConfig(), version)) is has
    assert ("Tty" in shown(ImageConfig(), version)) is has
