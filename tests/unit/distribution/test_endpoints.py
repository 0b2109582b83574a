"""Where a registry answers."""

import pytest

from yurt.distribution.endpoints import endpoints, is_insecure, proxy_for
from yurt.errors import InvalidArgument


def urls(registry: str, **settings: list[str]) -> list[str]:
    return [endpoint.url for endpoint in endpoints(registry, **settings)]


def test_the_hub_has_mirrors_before_it() -> None:
    """In their order; others have none."""
    mirrors = ["https://one.example/", "two.example:5000"]
    assert urls("docker.io", mirrors=mirrors) == [
        "https://one.example",
        "https://two.example:5000",
        "https://registry-1.docker.io",
    ]
    assert urls("ghcr.io", mirrors=mirrors) == ["https://ghcr.io"]
    with pytest.raises(InvalidArgument, match="invalid registry mirror"):
        urls("docker.io", mirrors=["ftp://x"])


def test_an_insecure_registry_is_asked_encrypted_first() -> None:
    """With any certificate, then without encryption."""
    found = endpoints("127.0.0.1:5000")
    assert [(item.url, item.verify) for item in found] == [
        ("https://127.0.0.1:5000", False),
        ("http://127.0.0.1:5000", False),
    ]
    assert all(item.verify for item in endpoints("registry.example"))


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost:5000", True),
        ("127.1.2.3", True),
        ("[::1]:5000", True),
        ("registry.lan:5000", True),
        ("registry.lan", False),
        ("other.lan:1", True),
        ("10.1.2.3:5000", True),
        ("11.1.2.3:5000", False),
        ("localhost.example", False),
    ],
)
def test_loopback_and_what_was_configured_are_insecure(host: str, answer: bool) -> None:
    """By host, host and port, or network."""
    assert is_insecure(host, ["registry.lan:5000", "other.lan", "10.0.0.0/8"]) is answer


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://registry.example/v2/", "http://s:1"),
        ("http://registry.example/v2/", "http://p:1"),
        ("https://x.internal/v2/", None),
        ("https://internal/v2/", None),
        ("https://notinternal/v2/", "http://s:1"),
        ("https://127.0.0.1:5000/v2/", None),
    ],
)
def test_proxies_are_used_but_for_what_is_near(url: str, proxy: str | None) -> None:
    """In either case of letters; this machine never."""
    proxies = {"HTTPS_PROXY": "http://s:1", "http_proxy": "http://p:1", "NO_PROXY": "a.b, .internal"}
    assert proxy_for(url, proxies) == proxy
    assert proxy_for(url, {}) is None
    assert proxy_for(url, proxies | {"no_proxy": "*", "NO_PROXY": "*"}) is None
