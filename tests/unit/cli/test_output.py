import json

import pytest

from yurt.cli import output
from yurt.cli.columns import CONTAINER, container_row

ENTRY = {
    "Id": "29b5d5fa69d09efd76261a716cc014536be0de2e9f09842463cdedcc5c8b21e7",
    "Names": ["/web"],
    "Image": "nginx:1.25",
    "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'",
    "Created": -1,
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    "Labels": {"a": "1", "b": "2"},
    "State": "running",
    "Status": "Up 2 hours (healthy)",
    "SizeRw": 1095,
    "SizeRootFs": 1981696,
    "NetworkSettings": {"Networks": {"bridge": {}}},
    "Mounts": [{"Name": "shop_data_with_a_long_name", "Driver": "local"}, {"Source": "/srv"}],
}
FLAGS = "-q, --quiet  q\n--format TEMPLATE  f"
SHOWN = ["ID", "Image", "Command", "Status", "Ports", "Names"]


def listed(typed, line: str = "", *, full: bool = False) -> list[str]:
    options = typed(FLAGS, "")
    for name, value in [pair.split("=", 1) for pair in [line] if pair]:
        options = options.adding(name, value)
    return output.listing([container_row(ENTRY, full=full)], CONTAINER, SHOWN, options)


def test_the_table_has_docker_s_columns_and_widths(typed):
    """Titles, three spaces between columns, commands cut to twenty characters."""
    assert listed(typed) == [
        "CONTAINER ID   IMAGE        COMMAND                  STATUS                 PORTS                  NAMES",
        '29b5d5fa69d0   nginx:1.25   "/docker-entrypoint.…"   Up 2 hours (healthy)   0.0.0.0:8080->80/tcp   web',
    ]


def test_an_empty_list_is_its_titles(typed):
    """No rows: the titles alone, at their narrowest."""
    assert output.listing([], {"A": "ALPHA", "B": "B"}, ["A", "B"], typed(FLAGS, "")) == ["ALPHA     B"]


def test_quiet_prints_ids(typed):
    """-q is for scripts: one short id a line."""
    assert listed(typed, "quiet=true") == ["29b5d5fa69d0"]


def test_in_full_nothing_is_cut(typed):
    """--no-trunc shows whole ids, commands and names of mounts."""
    (line,) = listed(typed, "format={{.ID}}|{{.Command}}|{{.Mounts}}", full=True)
    assert line == f'{ENTRY["Id"]}|"{ENTRY["Command"]}"|shop_data_with_a_long_name,/srv'


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("{{.Names}} {{.Size}}", ["web 1.09kB (virtual 1.98MB)"]),
        ('{{.Label "a"}}{{.Label "zz"}} {{.Labels}}', ["1 a=1,b=2"]),
        ("{{.Mounts}} {{.LocalVolumes}} {{.Networks}}", ["shop_data_with…,/srv 1 bridge"]),
        ("{{.RunningFor}} {{.State}}", ["N/A running"]),
        (r"table {{.Names}}\t{{.Image}}", ["NAMES     IMAGE", "web       nginx:1.25"]),
        (r'table {{.Names}}\t{{.Label "a"}}', ["NAMES     a", "web       1"]),
    ],
)
def test_format_takes_templates(typed, template, lines):
    """Every field of Docker's can be asked for, alone or as a table."""
    assert listed(typed, f"format={template}") == lines


def test_format_json_is_one_object_a_line(typed):
    """The fields by name, sorted."""
    (line,) = listed(typed, "format=json")
    found = json.loads(line)
    assert list(found) == sorted(found)
    assert found["Names"] == "web"
    assert "Label" not in found


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1095, "1.095kB"),
        (1982000, "1.982MB"),
        (525_500_000, "525.5MB"),
    ],
)
def test_sizes_by_thousands(count, text):
    """Four digits at most, as `docker system df` shows them."""
    assert output.size(count) == text


def test_sizes_by_1024():
    """As `docker stats` shows them."""
    assert output.binary_size(1634729) == "1.559MiB"


def test_ages_in_words():
    """How long ago something was, in Docker's words."""
    assert output.age(1000.0, now=1000.0 + 120) == "2 minutes ago"


def test_json_is_spelled_as_go_spells_it() -> None:
    """Letters stay as they are; what HTML would take for a mark does not."""
    assert output.json_text({"a": "<none> & …"}) == r'{"a":"\u003cnone\u003e \u0026 …"}'
