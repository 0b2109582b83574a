"""The recorded cases, sent to a yurtd: the same answers, or differences that are known and have a reason.

The reference's answers are in recorded/ (`scripts/record-parity` makes them), what may differ in differences.yaml.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Needs
from tests.integration.engine_host import BUSYBOX, EngineHost
from tests.parity import cases, compare, normal, page, record
from tests.parity.asking import Answer
from tests.parity.compare import Difference, Known
from tests.parity.play import Player
from tests.parity.replay import differences

SCENARIOS = [scenario for noun in cases.nouns() for scenario in cases.load(noun)]
KNOWN = compare.known()


@pytest.fixture(scope="module")
def found(needs: Needs) -> Iterator[dict[str, list[Difference]]]:
    """All differences, by scenario: every case is asked of one throw-away yurtd."""
    needs.root()
    needs.program("runc")
    needs.file(str(BUSYBOX))
    with tempfile.TemporaryDirectory(prefix="yurt-parity-") as folder:
        host = EngineHost(Path(folder))
        try:
            host.start()
            player = Player(str(host.socket))
            yield {scenario.id: list(differences(player, scenario)) for scenario in SCENARIOS}
        finally:
            host.dismantle()
            host.destroy()


@pytest.mark.root
@pytest.mark.parametrize("scenario", [scenario.id for scenario in SCENARIOS])
def test_answers_are_the_reference_engine_s(scenario: str, found: dict[str, list[Difference]]) -> None:
    """Each answer of the scenario is as recorded, but for what differences.yaml lists."""
    unknown = [str(one) for one in found[scenario] if not any(entry.covers(one) for entry in KNOWN)]
    assert not unknown, "not as the reference engine answers, and not in differences.yaml:\n" + "\n".join(
        unknown
    )


@pytest.mark.root
def test_no_known_difference_is_out_of_date(found: dict[str, list[Difference]]) -> None:
    """Each entry of differences.yaml covers a difference that there still is; one that is mended is taken out."""
    stale = compare.stale(KNOWN, [one for ones in found.values() for one in ones])
    assert not stale, "take these out of differences.yaml, then run scripts/docs:\n" + "\n".join(stale)


def test_each_case_is_recorded_and_each_record_is_a_case() -> None:
    """The recorded answers are of these cases and no others."""
    for noun in cases.nouns():
        asked = {scenario.name: {name for name, _ in scenario.cases()} for scenario in cases.load(noun)}
        assert {name: set(answers) for name, answers in record.read(noun).items()} == asked


def test_each_difference_has_a_kind_and_a_reason() -> None:
    """A reason is a sentence; kinds are three."""
    for entry in KNOWN:
        assert entry.kind in {"differs", "absent", "extra"}, entry
        assert entry.reason.endswith("."), entry


def test_the_page_of_compatibility_is_up_to_date() -> None:
    """docs/compatibility.md is what scripts/docs makes of the recorded answers and the known differences."""
    assert page.PAGE.read_text() == page.render(), "run scripts/docs"


def test_what_is_chance_becomes_a_placeholder() -> None:
    """Ids, times and addresses go, zero values and what a case asked for stay."""
    body = {
        "Id": "0a" * 32,
        "Created": "2026-11-24T07:51:26.289644356Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "IPAddress": "172.17.0.2",
        "Gateway": "10.213.3.1",
        "Pid": 4711,
        "Mountpoint": "/var/lib/x/volumes/one/_data",
    }
    kept = normal.normal(Answer(200, {}, body), "/var/lib/x")["body"]
    assert kept == {
        "Id": "<id>",
        "Created": "<time>",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "IPAddress": "<ipv4>",
        "Gateway": "10.213.3.1",
        "Pid": "<number>",
        "Mountpoint": "<root>/volumes/one/_data",
    }
    assert normal.normal(Answer(200, {}, {"Pid": 0}), "/")["body"] == {"Pid": 0}


def test_differences_are_told_by_field_and_kind() -> None:
    """A missing field, one too many, another value; list elements are compared one by one."""
    reference = {"body": {"a": 1, "b": [{"c": 1}], "d": None}}
    ours = {"body": {"a": 1, "b": [{"c": 2}], "e": 0}}
    found = compare.compare("GET /x", "n/s/c", reference, ours)
    assert [(one.field, one.kind) for one in found] == [
        ("body.b[].c", "differs"),
        ("body.d", "absent"),
        ("body.e", "extra"),
    ]
    assert Known("GET *", "body.b[].*", "differs", "Because.").covers(found[0])
    assert not Known("GET *", "body.b[].*", "absent", "Because.").covers(found[0])
    assert not Known("GET *", "*", "differs", "Because.", case="other*").covers(found[0])
    assert compare.stale([Known("GET /x", "body.e,body.gone", "extra", "Because.")], found) == [
        "extra GET /x body.e,body.gone (case *), field body.gone: Because."
    ]
    assert json.loads(json.dumps(str(found[0]))) == "GET /x: n/s/c: body.b[].c differs: 1 | 2"
