"""What clients ask of the Dockerfile frontend and of exporters."""

import pytest

from yurt.engine.build.named_contexts import LayoutPlace
from yurt.errors import InvalidArgument, Unimplemented
from yurt.server.buildkit.attributes import Export, asked, exports
from yurt.server.buildkit.control import definition_of, image_of
from yurt.server.buildkit.messages import Exporter, SolveRequest
from yurt.server.buildkit.protobuf import encode


def test_options_become_a_request() -> None:
    """The options that `docker build` sends for its flags."""
    what = asked(
        "dockerfile.v0",
        {
            "filename": "D",
            "target": "x",
            "build-arg:A": "1=2",
            "label:org.x/y": "z",
            "no-cache": "",
            "image-resolve-mode": "pull",
            "platform": "linux/amd64",
            "force-network-mode": "none",
            "add-hosts": "a=1.2.3.4,b=::1",
            "shm-size": "134217728",
            "ulimit": "nofile=100:200,nproc=5",
            "context:base": "docker-image://bb:1",
            "local-sessionid:context": "s1",
            "dockerfilekey": "dockerfile2",
            "vcs:source": "https://x",
        },
    )
    request = what.request
    assert (request.dockerfile, request.target, request.platform) == ("D", "x", "linux/amd64")
    assert (request.build_args, request.labels) == ({"A": "1=2"}, {"org.x/y": "z"})
    assert request.no_cache
    assert request.pull
    assert (request.network_mode, request.extra_hosts) == ("none", ("a:1.2.3.4", "b:::1"))
    assert (request.shm_size, request.ulimits) == (1 << 27, (("nofile", 100, 200), ("nproc", 5, 5)))
    assert request.contexts == {"base": "bb:1"}
    assert (what.dockerfile_folder, what.context_folder) == ("dockerfile2", "context")
    assert what.sessions == {"context": "s1"}


def test_nothing_asked_is_the_default() -> None:
    """An empty Solve builds ./Dockerfile with Docker's defaults."""
    request = asked("dockerfile.v0", {}).request
    assert (request.dockerfile, request.network_mode, request.shm_size) == ("Dockerfile", "", 64 << 20)
    assert not request.no_cache


def test_a_context_may_lie_elsewhere() -> None:
    """The engine fetches it; an archive that the client uploads is none of these."""
    request = asked(
        "dockerfile.v0", {"context": "https://example.org/x.git#v1", "contextsubdir": "app"}
    ).request
    assert (request.remote, request.subdir) == ("https://example.org/x.git#v1", "app")
    uploaded = asked("dockerfile.v0", {"context": "http://buildkit-session/tar"})
    assert (uploaded.request.remote, uploaded.upload) == ("", "/tar")


@pytest.mark.parametrize(
    ("frontend", "options"),
    [
        ("gateway.v0", {}),
        ("", {}),
        ("dockerfile.v0", {"platform": "linux/amd64,linux/arm64"}),
        ("dockerfile.v0", {"attest:provenance": "mode=max"}),
        ("dockerfile.v0", {"something-new": "1"}),
    ],
)
def test_what_is_not_offered_is_refused(frontend: str, options: dict[str, str]) -> None:
    """One sentence says what, instead of an image that is not what was asked for."""
    with pytest.raises(Unimplemented):
        asked(frontend, options)


def test_named_contexts_are_images_inputs_or_folders() -> None:
    """--build-context name=docker-image://…, another target of a bake file, a folder, a layout, or an address."""
    request = asked(
        "dockerfile.v0",
        {
            "context:a": "docker-image://bb:1",
            "context:b": "input:0-x",
            "context:c": "local:c",
            "context:d": f"oci-layout://store@sha256:{'0' * 64}",
            "context:e": "https://example.org/x.git#v1",
            "input-metadata:0-x": "{}",
        },
        {"0-x": "sha256:1"},
    ).request
    assert request.contexts == {"a": "bb:1", "b": "sha256:1"}
    assert request.folders == {"c"}
    layout = LayoutPlace("oci:store", digest=f"sha256:{'0' * 64}", in_origin=True)
    assert request.layouts == {"d": layout}
    assert request.addresses == {"e": "https://example.org/x.git#v1"}
    with pytest.raises(Unimplemented, match="elsewhere:x"):
        asked("dockerfile.v0", {"context:a": "elsewhere:x"})


def test_a_result_comes_back_as_the_input_that_it_was() -> None:
    """A graph that is not ours is refused."""
    assert image_of(encode(definition_of("sha256:1"))) == "sha256:1"
    with pytest.raises(Unimplemented, match="LLB"):
        image_of(b"")


def test_an_archive_may_be_uploaded() -> None:
    """`docker build - < context.tar` is an address that only the session answers."""
    assert asked("dockerfile.v0", {"context": "http://buildkit-session/abc"}).upload == "/abc"
    assert asked("dockerfile.v0", {}).upload == ""


def test_attestations_that_are_switched_off_are_fine() -> None:
    """Compose sends --provenance=false."""
    assert asked("dockerfile.v0", {"attest:provenance": "disabled=true"})


def test_malformed_numbers_are_refused() -> None:
    """They name the option."""
    for options in ({"shm-size": "much"}, {"ulimit": "nofile"}):
        with pytest.raises(InvalidArgument):
            asked("dockerfile.v0", options)


def test_exporters_say_what_becomes_of_the_image() -> None:
    """Newer clients list exporters, older ones name one; none is a build for the cache."""
    newer = SolveRequest(
        exporters=(
            Exporter("moby", {"name": "a:1,b", "push": "true"}),
            Exporter("oci", {"name": "c"}),
            Exporter("local"),
        )
    )
    older = SolveRequest(exporter="image", exporter_attrs={"name": "a:1"})
    assert exports(newer) == (Export("image", ("a:1", "b")), Export("oci", ("c",), 1), Export("local", (), 2))
    assert exports(older) == (Export("image", ("a:1",)),)
    assert exports(SolveRequest()) == ()
    for exporter in (Exporter("cacheonly"), Exporter("oci", {"tar": "false"})):
        with pytest.raises(Unimplemented):
            exports(SolveRequest(exporters=(exporter,)))
