import pytest

from yurt.api.version import LATEST, OLDEST, ApiVersion, is_supported, negotiated, split_path
from yurt.errors import InvalidArgument


def test_order_is_by_number():
    """1.9 is older than 1.24, though its text sorts later."""
    assert ApiVersion.parse("1.9") < ApiVersion.parse("1.24")


@pytest.mark.parametrize("text", ["1.24", "1.51"])
def test_text_round_trips(text):
    """Writing a parsed version gives the text back, with or without the leading v."""
    assert str(ApiVersion.parse(text)) == str(ApiVersion.parse(f"v{text}")) == text


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.x", "-1.2", "1.2.3", "١.٢"])
def test_other_text_is_refused(text):
    """What is not two numbers and a dot is refused."""
    with pytest.raises(InvalidArgument, match="invalid API version"):
        ApiVersion.parse(text)


def test_the_supported_range_includes_its_ends():
    """The oldest and the newest version are spoken, their neighbours outside are not."""
    assert is_supported(OLDEST)
    assert is_supported(LATEST)
    assert not is_supported(ApiVersion(1, OLDEST[1] - 1))
    assert not is_supported(ApiVersion(1, LATEST[1] + 1))


def test_negotiation_takes_the_older_newest():
    """Two sides speak the newest version that both know."""
    assert negotiated(ApiVersion(1, 43)) == ApiVersion(1, 43)
    assert negotiated(ApiVersion(1, 99)) == LATEST


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        ("/v1.44/containers/json", ApiVersion(1, 44), "/containers/json"),
        ("/containers/json", None, "/containers/json"),
        ("/volumes/v1.2", None, "/volumes/v1.2"),
        ("/version", None, "/version"),
        ("/v1.44", None, "/v1.44"),
        ("/vx.y/a", None, "/vx.y/a"),
    ],
)
def test_the_version_is_taken_off_a_path(path, version, rest):
    """Only a version in front is one."""
    assert split_path(path) == (version, rest)


def test_repr_tells_the_version():
    """A version in an assertion reads as one."""
    assert repr(ApiVersion(1, 44)) == "ApiVersion(1.44)"
