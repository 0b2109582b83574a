import pytest

from yurt.dockerfile.duration import parse_duration
from yurt.dockerfile.mounts import RunMount, parse_mount


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30s", 30_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0", 0),
        ("2ms", 2_000_000),
    ],
)
def test_durations_read_as_in_go(text: str, nanoseconds: int) -> None:
    """Units add up, fractions count."""
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d", "1s x", "9999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError):
        parse_duration(text)


def test_a_mount_reads_its_options() -> None:
    """Names have synonyms, numbers their base."""
    assert parse_mount("type=cache,dst=/root/.cache,id=pip,sharing=locked,mode=0700") == RunMount(
        kind="cache", target="/root/.cache", id="pip", sharing="locked", mode=0o700
    )
    assert parse_mount("type=tmpfs,target=/t,size=64m").size == 64 << 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("type=cash,target=/x", "unknown type 'cash'"),
        ("type=cache", "type=cache needs target=/path"),
        ("target=/x,colour=red", "unknown option 'colour'"),
        ("type=secret", "type=secret needs id=name"),
    ],
)
def test_a_mistaken_mount_says_what_is_wrong(text: str, complaint: str) -> None:
    """The sentence names the option."""
    with pytest.raises(ValueError) as caught:
        parse_mount(text)
    assert complaint in str(caught.value)
