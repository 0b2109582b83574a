"""Options of log drivers: what is refused, and what they mean."""

from typing import Any

import pytest

from yurt.engine.containers import log_drivers
from yurt.engine.containers.model import Container, ContainerConfig, HostConfig
from yurt.errors import InvalidArgument

GELF = {"gelf-address": "udp://127.0.0.1:12201"}


def a_container(driver: str, **options: str) -> Container:
    return Container(
        id="0123456789abcdef0123",
        name="web",
        created_ns=1,
        image_id="sha256:fedcba9876543210",
        config=ContainerConfig(
            "busybox:1", labels={"tier": "front", "team": "a"}, env=("COLOR=red", "SIZE=big", "EMPTY")
        ),
        host=HostConfig(
            log_driver=driver, log_options={name.replace("_", "-"): value for name, value in options.items()}
        ),
        endpoints=(),
        path="/bin/echo",
        args=("hi", "there"),
    )


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("foo", {}, 'error looking up logging plugin foo: plugin "foo" not found'),
        ("json-file", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ("local", {"labels": "x"}, "unknown log opt 'labels' for log driver local"),
        ("json-file", {"max-size": "abc"}, "invalid size: 'abc'"),
        ("json-file", {"max-size": "10q"}, "invalid suffix: 'q'"),
        ("json-file", {"max-size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max-size": "1m", "max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"max-size": "1m", "max-file": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        (
            "json-file",
            {"compress": "true"},
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ),
        ("local", {"max-size": "abc"}, "invalid value for max-size: abc: invalid size: 'abc'"),
        ("local", {"compress": "x"}, 'strconv.ParseBool: parsing "x": invalid syntax'),
        ("json-file", {"mode": "foo"}, "logger: logging mode not supported: foo"),
        (
            "json-file",
            {"max-buffer-size": "1m"},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            "json-file",
            {"mode": "non-blocking", "max-buffer-size": "x"},
            "error parsing option max-buffer-size: invalid size: 'x'",
        ),
        ("syslog", {"cache-disabled": "maybe"}, "invalid value for option cache-disabled: maybe"),
        ("syslog", {"syslog-address": "foo"}, "unsupported scheme: ''"),
        ("syslog", {"syslog-address": "http://x"}, "unsupported scheme: 'http'"),
        ("syslog", {"syslog-address": "unix:///no/such"}, "stat /no/such: no such file or directory"),
        ("syslog", {"syslog-facility": "nope"}, "invalid syslog facility"),
        ("syslog", {"syslog-format": "nope"}, "Invalid syslog format"),
        ("gelf", {}, "gelf-address is a required parameter"),
        ("gelf", {"gelf-address": "foo"}, "gelf: endpoint needs to be TCP or UDP"),
        (
            "gelf",
            {"gelf-address": "udp://127.0.0.1"},
            "gelf: please provide gelf-address as proto://host:port",
        ),
        (
            "gelf",
            {**GELF, "gelf-compression-type": "x"},
            'unknown value "x" for log opt "gelf-compression-type" for gelf log driver',
        ),
        (
            "gelf",
            {**GELF, "gelf-compression-level": "88"},
            'unknown value "88" for log opt "gelf-compression-level" for gelf log driver',
        ),
        ("gelf", {**GELF, "gelf-tcp-max-reconnect": "1"}, '"gelf-tcp-max-reconnect" is only valid for TCP'),
        (
            "gelf",
            {"gelf-address": "tcp://127.0.0.1:1", "gelf-compression-type": "gzip"},
            "compression is only supported on UDP",
        ),
        (
            "fluentd",
            {"fluentd-address": "foo:bar"},
            'invalid fluentd-address (foo:bar): parse "tcp://foo:bar": invalid port ":bar" after host',
        ),
        (
            "fluentd",
            {"fluentd-address": "http://x"},
            "invalid fluentd-address (http://x): unsupported scheme: 'http'",
        ),
        ("fluentd", {"fluentd-async": "x"}, 'strconv.ParseBool: parsing "x": invalid syntax'),
        ("fluentd", {"fluentd-buffer-limit": "zz"}, "invalid size: 'zz'"),
        ("fluentd", {"fluentd-retry-wait": "zz"}, 'time: invalid duration "zz"'),
        ("fluentd", {"fluentd-max-retries": "zz"}, 'strconv.ParseUint: parsing "zz": invalid syntax'),
        ("journald", {"tag": "{{"}, "template: log-tag:1: unclosed action"),
        ("journald", {"tag": "{{.Foo}}"}, "invalid tag template: cannot evaluate {{.Foo}}"),
    ],
)
def test_refused(driver: str, options: dict[str, str], words: str) -> None:
    """What the reference engine refuses is refused in its words, some of it earlier: at create, not at the start."""
    with pytest.raises(InvalidArgument) as refused:
        log_drivers.check(driver, options)
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("", {}),
        ("none", {"anything": "goes"}),
        (
            "json-file",
            {"max-size": "10m", "max-file": "3", "compress": "true", "labels": "a", "tag": "{{.ID}}"},
        ),
        ("json-file", {"max-file": "3"}),
        ("local", {"mode": "non-blocking", "max-buffer-size": "4m"}),
        ("syslog", {"syslog-address": "udp://1.2.3.4", "syslog-facility": "local7"}),
        ("gelf", GELF),
        ("fluentd", {"fluentd-address": "collector", "fluentd-retry-wait": "1m30s"}),
        ("journald", {"env-regex": "^A"}),
    ],
)
def test_accepted(driver: str, options: dict[str, str]) -> None:
    """What the reference engine takes is taken."""
    log_drivers.check(driver, options)


@pytest.mark.parametrize(
    ("driver", "options", "bound"),
    [
        ("json-file", {}, (0, 1)),
        ("json-file", {"max-size": "10m", "max-file": "3"}, (10_000_000, 3)),
        ("json-file", {"max-size": "10m"}, (10_000_000, 1)),
        ("local", {}, (20 << 20, 5)),
        ("local", {"max-size": "1.5k", "max-file": "2"}, (1536, 2)),
        ("syslog", {}, (20 << 20, 5)),
        ("gelf", {"cache-max-size": "1m", "cache-max-file": "2"}, (1 << 20, 2)),
        ("none", {}, (0, 1)),
    ],
)
def test_bounds(driver: str, options: dict[str, str], bound: tuple[int, int]) -> None:
    """json-file has no bound of its own and counts in thousands; the others have 5 files of 20 MiB."""
    assert log_drivers.bound(driver, options) == bound


def test_tag_and_attributes() -> None:
    """The tag's template knows the container; labels and variables are chosen by name and by pattern."""
    container = a_container(
        "json-file", tag="{{.Name}}/{{ .ID }}/{{.ImageID}}", labels="tier,none", env_regex="^S", env="EMPTY"
    )
    assert log_drivers.attributes(container) == {
        "tag": "web/0123456789ab/sha256:fedcb",
        "tier": "front",
        "SIZE": "big",
    }
    assert log_drivers.tag_of(a_container("syslog")) == "0123456789ab"
    assert log_drivers.attributes(a_container("json-file")) == {}


@pytest.mark.parametrize(
    ("driver", "options", "address"),
    [
        ("syslog", {"syslog_address": "tcp://h"}, "tcp://h:514"),
        ("syslog", {"syslog_address": "udp://[::1]:1514"}, "udp://[::1]:1514"),
        ("syslog", {}, ""),
        ("fluentd", {}, "tcp://127.0.0.1:24224"),
        ("fluentd", {"fluentd_address": "h:1"}, "tcp://h:1"),
        ("fluentd", {"fluentd_address": "unix:///s"}, "unix:///s"),
        ("gelf", {"gelf_address": "udp://h:12201"}, "udp://h:12201"),
    ],
)
def test_addresses(driver: str, options: dict[str, Any], address: str) -> None:
    """An address gets its driver's port."""
    plan = log_drivers.forwarding(a_container(driver, **options))
    assert plan is not None
    assert plan["address"] == address
    assert plan["container_name"] == "web"


def test_who_can_be_read() -> None:
    """What remote drivers take is kept here too, unless that is disabled; of `none` there is nothing."""
    assert log_drivers.is_readable("syslog", {})
    assert not log_drivers.is_readable("syslog", {"cache-disabled": "true"})
    assert not log_drivers.is_readable("none", {})
    assert log_drivers.forwarding(a_container("json-file")) is None


@pytest.mark.parametrize(
    ("driver", "options", "packs"),
    [
        ("json-file", {"max-size": "1m", "max-file": "3"}, False),
        ("json-file", {"max-size": "1m", "max-file": "3", "compress": "true"}, True),
        ("local", {}, True),
        ("local", {"compress": "false"}, False),
        ("none", {}, False),
        ("gelf", GELF, False),
    ],
)
def test_what_is_compressed(driver: str, options: dict[str, str], *, packs: bool) -> None:
    """As in Docker: the local driver's files, and json-file's when asked."""
    assert log_drivers.packs(driver, options) is packs
