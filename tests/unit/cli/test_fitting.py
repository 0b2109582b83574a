"""Tables at terminals of all widths."""

import pytest

from yurt.cli.fitting import fitted

COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "Names": "NAMES",
}
WEB = {
    "ID": "0123456789ab",
    "Image": "registry.example.com/team/shop:1.2",
    "Command": '"gunicorn shop.wsgi …"',
    "RunningFor": "About a minute ago",
    "Ports": "0.0.0.0:8000->80/tcp, [::]:8000->80/tcp, 0.0.0.0:53->53/udp, 127.0.0.1:81->81/tcp, 9000/tcp",
    "Names": "shop-web-1",
}


def lines(width: int, *rows: dict[str, str]) -> list[str]:
    return fitted(rows, COLUMNS, list(COLUMNS), width)


def test_ports_lose_what_they_nearly_all_have() -> None:
    """Both families of every address are one; other addresses and protocols stay."""
    title, row = lines(200, WEB)
    assert row[title.index("PORTS") :].split("  ")[0] == "8000->80, 53->53/udp, 127.0.0.1:81->81, 9000"


@pytest.mark.parametrize("width", [200, 160, 140, 120, 100, 90, 80, 70])
def test_no_line_wraps_and_names_stay_whole(width: int) -> None:
    """Whatever is shortened, identifiers and names can be copied."""
    for line in lines(width, WEB)[1:]:
        assert len(line) <= width
        assert line.split()[0] == WEB["ID"]
        assert line.split()[-1] == WEB["Names"]


def test_what_says_least_goes_first() -> None:
    """The command is shortened, then left out, then the creation; of an image the end stays, with its version."""
    titles = {width: lines(width, WEB)[0] for width in (140, 115, 70)}
    assert ["COMMAND" in title for title in titles.values()] == [True, False, False]
    assert ["CREATED" in title for title in titles.values()] == [True, True, False]
    assert "shop:1.2" in lines(70, WEB)[1]


def test_nothing_is_shortened_further_than_it_takes() -> None:
    """A table one letter too wide loses one letter."""
    row = {**WEB, "Ports": "", "Image": "debian"}
    whole = max(map(len, lines(500, row)))
    assert '"gunicorn shop.wsgi …' in lines(whole - 1, row)[1]
    assert max(map(len, lines(whole - 1, row))) == whole - 1


def test_a_terminal_too_narrow_for_names_gets_them_all_the_same() -> None:
    """Then the lines wrap: better than to be cut."""
    assert lines(20, WEB)[1].startswith("0123456789ab")
    assert lines(20, WEB)[1].endswith("shop-web-1")
