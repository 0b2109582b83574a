"""What a start needs to see of the engine's own mounts."""

from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine.containers import view
from yurt.oci.runtime_spec import SpecHook, SpecMount, SpecProcess, SpecRequest

RUN = Path("/run/yurt/x")
BUNDLE = RUN / "containers/me"
PLAIN = SpecRequest(
    SpecProcess(("true",), ()),
    str(BUNDLE / "rootfs"),
    "/yurt/me",
    namespaces={"network": str(RUN / "netns/me"), "pid": "/proc/7/ns/pid", "mount": ""},
    propagation="rprivate",
)


def bind(source: str, *options: str) -> SpecMount:
    return SpecMount("/here", "bind", source, ("rbind", "rw", *options))


def needed(request: SpecRequest) -> tuple[str, ...] | None:
    return view.needed(request, bundle=BUNDLE, run=RUN)


def test_its_bundle_and_what_it_joins() -> None:
    """Beside the bundle, namespaces and binds count that are in the folder; what is elsewhere is seen anyway."""
    assert needed(PLAIN) == (str(BUNDLE), str(RUN / "netns/me"))
    shared = bind(str(RUN / "containers/other/shm"), "rprivate")
    held = bind(str(BUNDLE / "volumes/0"), "rprivate")  # comes with the bundle
    outside = bind("/srv/data", "rprivate")
    assert needed(replace(PLAIN, mounts=(shared, held, outside))) == (
        str(BUNDLE),
        str(RUN / "containers/other/shm"),
        str(RUN / "netns/me"),
    )


@pytest.mark.parametrize(
    "request_",
    [
        replace(PLAIN, mounts=(bind("/", "rprivate"),)),
        replace(PLAIN, mounts=(bind("/run", "rprivate"),)),
        replace(PLAIN, mounts=(bind(str(RUN), "rprivate"),)),
        replace(PLAIN, mounts=(bind("/srv", "rslave"),)),
        replace(PLAIN, propagation="rshared"),
        replace(PLAIN, hooks=(SpecHook("createRuntime", "/usr/bin/hook"),)),
    ],
)
def test_everything(request_: SpecRequest) -> None:
    """The folder shown as a whole, mounts that travel, and hooks: nothing is hidden from these."""
    assert needed(request_) is None
