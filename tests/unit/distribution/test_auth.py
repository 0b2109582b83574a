"""Credentials, challenges and tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.distribution.auth import Auth, Challenge, check_realm, parse_challenges, repository_scope, token_url
from yurt.errors import Forbidden


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ([], None),
        (['Basic realm="x"'], Challenge("basic", "x")),
        (
            ['Bearer realm="https://auth.example/token",service="reg",scope="repository:a:pull,push"'],
            Challenge("bearer", "https://auth.example/token", "reg", "repository:a:pull,push"),
        ),
        (["bearer realm=https://a/t , service=x"], Challenge("bearer", "https://a/t", "x")),
        (['Basic realm="x"', 'Bearer realm="https://a/t"'], Challenge("bearer", "https://a/t")),
        (['Bearer service="no realm"', "Basic"], Challenge("basic")),
        (["Negotiate"], None),
    ],
)
def test_the_challenge_to_answer_is_found(headers: list[str], challenge: Challenge | None) -> None:
    """Bearer before basic; what cannot be answered is passed over."""
    assert parse_challenges(headers) == challenge


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=3))
def test_no_header_is_too_odd(headers: list[str]) -> None:
    """A registry may send anything."""
    parse_challenges(headers)


def test_a_token_is_asked_for_by_service_scopes_and_account() -> None:
    """Several scopes repeat the parameter."""
    challenge = Challenge("bearer", "https://auth.example/token", "reg")
    assert token_url(challenge, ["repository:a:pull", "repository:b:pull"], account="me") == (
        "https://auth.example/token?service=reg&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull&account=me"
    )
    assert token_url(Challenge("bearer", "https://a/t?x=1"), []).startswith("https://a/t?x=1&")
    assert repository_scope("a/b", "pull", "push") == "repository:a/b:pull,push"


def test_secrets_do_not_show() -> None:
    """A value may end in a log."""
    assert "hunter2" not in repr(Auth("me", "hunter2", "hunter2", "hunter2"))
    assert Auth("me", "pass:word").basic == "Basic bWU6cGFzczp3b3Jk"
    assert Auth().is_anonymous


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("https://auth.example/token", "https://registry.example"),
        ("http://registry.lan:5000/token", "http://registry.lan:5000"),
        ("https://10.0.0.5:5000/token", "https://10.0.0.5:5000"),
        ("http://127.0.0.1:9/token", "http://127.0.0.1:5000"),
    ],
)
def test_honest_realms_are_followed(realm: str, registry: str) -> None:
    """The registry's own host, or an encrypted public one."""
    check_realm(realm, registry)


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("http://auth.example/token", "https://registry.example"),
        ("https://10.0.0.5/token", "https://registry.example"),
        ("https://169.254.169.254/latest", "https://registry.example"),
        ("https://[::1]/token", "https://registry.example"),
        ("http://127.0.0.1/token", "http://registry.lan:5000"),
    ],
)
def test_credentials_are_not_sent_where_a_registry_should_not_point(realm: str, registry: str) -> None:
    """Unencrypted after encrypted, or into a private network."""
    with pytest.raises(Forbidden, match="refusing to log in"):
        check_realm(realm, registry)
