"""``POST /containers/create`` to the engine's request."""

import pytest

from yurt.api.types import containers as wire
from yurt.engine.containers.model import CreateRequest, DeviceLimit, Healthcheck, RestartPolicy
from yurt.engine.networks.model import EndpointRequest, PortBinding
from yurt.errors import InvalidArgument
from yurt.server.call import decode
from yurt.server.wire import create


def asked(document: str, name: str = "") -> CreateRequest:
    return create.request(decode(document.encode(), wire.CreateContainer), name=name)


def test_nulls_are_defaults() -> None:
    """Go clients send null for what was not given."""
    request = asked(
        '{"Image":"x","Cmd":null,"Env":null,"Labels":null,"HostConfig":{"Binds":null,"Memory":null,'
        '"PortBindings":null,"RestartPolicy":null,"PidsLimit":null},"NetworkingConfig":null,"Bogus":{"a":1}}'
    )
    assert request.name is None
    assert request.config.cmd == ()
    assert request.host.network_mode == "bridge"
    assert request.host.resources.memory == 0


def test_a_text_is_a_list_of_one() -> None:
    """Cmd and Entrypoint may be a text."""
    request = asked('{"Image":"x","Cmd":"sh","Entrypoint":"init"}')
    assert (request.config.cmd, request.config.entrypoint) == (("sh",), ("init",))


@pytest.mark.parametrize("wish", ["[]", '[""]'])
def test_an_empty_entrypoint_is_a_wish(wish: str) -> None:
    """It resets the image's, while null keeps it."""
    assert asked(f'{{"Image":"x","Entrypoint":{wish},"Cmd":["a"]}}').config.entrypoint == ("",)
    assert asked('{"Image":"x","Entrypoint":null}').config.entrypoint == ()


def test_the_modes_network_comes_first() -> None:
    """It gives the default route, so its place matters."""
    request = asked(
        '{"Image":"x","HostConfig":{"NetworkMode":"front"},"NetworkingConfig":{"EndpointsConfig":'
        '{"back":{},"front":{"Aliases":["web"],"IPAMConfig":{"IPv4Address":"10.0.0.9"}}}}}'
    )
    assert request.endpoints == (
        EndpointRequest("front", aliases=("web",), ipv4="10.0.0.9"),
        EndpointRequest("back"),
    )


def test_a_user_network_needs_no_endpoint() -> None:
    """`--network front` alone is an endpoint on it."""
    assert asked('{"Image":"x","HostConfig":{"NetworkMode":"front"}}').endpoints == (
        EndpointRequest("front"),
    )


@pytest.mark.parametrize("mode", ["bridge", "default", "host", "none", "container:abc", ""])
def test_builtin_modes_have_no_endpoints(mode: str) -> None:
    """The default network, the host's and none need no request of their own."""
    assert asked(f'{{"Image":"x","HostConfig":{{"NetworkMode":"{mode}"}}}}').endpoints == ()


def test_ports_are_bindings() -> None:
    """No host port is any free one, an empty address is every address."""
    request = asked(
        '{"Image":"x","ExposedPorts":{"80/tcp":{},"53":{}},"HostConfig":{"PortBindings":'
        '{"80/tcp":[{"HostIp":"","HostPort":"8000"}],"53/udp":[{"HostIp":"127.0.0.1","HostPort":""}]}}}'
    )
    assert request.config.exposed_ports == ("80/tcp", "53/tcp")
    assert request.host.ports == (
        PortBinding(80, "tcp", "", 8000),
        PortBinding(53, "udp", "127.0.0.1", 0),
    )


def test_a_health_check_is_in_seconds() -> None:
    """Nanoseconds become seconds, zero the default."""
    request = asked('{"Image":"x","Healthcheck":{"Test":["CMD","true"],"Interval":1500000000}}')
    assert request.config.healthcheck == Healthcheck(("CMD", "true"), interval=1.5)
    assert asked('{"Image":"x","Healthcheck":{}}').config.healthcheck is None


def test_restart_policies_are_checked() -> None:
    """An unknown name, or a number that means nothing, is refused."""
    request = asked(
        '{"Image":"x","HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}}'
    )
    assert request.host.restart == RestartPolicy("on-failure", 3)
    for wrong in ('{"Name":"sometimes"}', '{"Name":"always","MaximumRetryCount":3}'):
        with pytest.raises(InvalidArgument, match="invalid restart policy"):
            asked(f'{{"Image":"x","HostConfig":{{"RestartPolicy":{wrong}}}}}')


def test_removal_and_restart_exclude_each_other() -> None:
    """`--rm --restart always` is a contradiction."""
    with pytest.raises(InvalidArgument, match="AutoRemove"):
        asked('{"Image":"x","HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}')


def test_links_are_found_in_both_places() -> None:
    """Links of the default network stand with the host's settings, those of another with its endpoint."""
    request = asked(
        '{"Image":"x","HostConfig":{"NetworkMode":"shop","Links":["/db:/web/store"]},'
        '"NetworkingConfig":{"EndpointsConfig":{"shop":{"Links":["cache"]}}}}'
    )
    assert request.host.links == ("db:store", "cache:cache")


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ('{"Isolation":"hyperv"}', r"invalid isolation \(hyperv\)"),
        ('{"StorageOpt":{"size":"1G"}}', "supported only for overlay over xfs"),
        ('{"StorageOpt":{"fast":"1"}}', "Unknown option fast"),
        ('{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}}', "cannot be negative"),
    ],
)
def test_what_no_engine_here_has_is_refused(host: str, sentence: str) -> None:
    """It would break the program to leave it out."""
    with pytest.raises(InvalidArgument, match=sentence):
        asked(f'{{"Image":"x","HostConfig":{host}}}')


def test_block_limits_keep_their_devices() -> None:
    """The five lists become one, each entry with its kind."""
    request = asked(
        '{"Image":"x","HostConfig":{"BlkioDeviceReadBps":[{"Path":"/dev/a","Rate":5}],'
        '"BlkioWeightDevice":[{"Path":"/dev/a","Weight":100}]}}'
    )
    assert request.host.resources.blkio_devices == (
        DeviceLimit("weight", "/dev/a", 100),
        DeviceLimit("read_bps", "/dev/a", 5),
    )


def test_a_wrong_type_is_named() -> None:
    """The sentence says where in the body."""
    with pytest.raises(InvalidArgument, match=r"invalid JSON: .*\$\.HostConfig\.Binds"):
        asked('{"Image":"x","HostConfig":{"Binds":3}}')
