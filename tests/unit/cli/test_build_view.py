import base64
import io
import json

import pytest

from yurt.cli.build_view import TRACE, BuildProgress, BuildView, LiveView, PlainTrace, RawTrace
from yurt.cli.failure import Failure

BEGUN, ENDED = "2026-01-01T00:00:01.000000000Z", "2026-01-01T00:00:03.500000000Z"


def vertex(digest, name, *, started=BEGUN, completed=None, **more):
    return {"digest": digest, "name": name, "started": started, "completed": completed, **more}


def log(digest, text):
    return {"vertex": digest, "stream": 1, "data": base64.b64encode(text.encode()).decode()}


def a_view(*news, seconds=1767225601.0):
    """A view whose clock stands two seconds after the first step began, once the news are in."""
    clock = [seconds]
    view = BuildView(lambda: clock[0])
    for each in news:
        view.take(each)
    clock[0] += 2
    return view


def test_what_runs_has_its_time_and_the_end_of_its_output():
    """Cached and ended steps have one line, a step that is only announced none."""
    view = a_view(
        {"vertexes": [vertex("a", "[1/3] FROM x", completed=BEGUN, cached=True), vertex("b", "[2/3] RUN y")]},
        {"vertexes": [vertex("c", "[3/3] RUN z", started=None)]},
        {"logs": [log("b", "".join(f"line {n}\n" for n in range(20)))]},
    )
    assert view.lines(40, 24) == [
        "[+] Building 2.0s (1/3)",
        f" => {'CACHED [1/3] FROM x':<30} 0.0s",
        f" => {'[2/3] RUN y':<30} 2.0s",
        *(f" => => # line {n}" for n in range(14, 20)),
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize("height", [2, 3, 8, 24])
def test_the_view_stays_within_the_terminal(width, height):
    """However many steps there are, and whatever they print: no line fills the last column, none is too many."""
    steps = [vertex(str(n), f"[{n}/40] RUN " + "日本" * 30) for n in range(40)]
    view = a_view({"vertexes": steps}, {"logs": [log(str(n), "語x" * 99 + "\nend\n") for n in range(40)]})
    lines = view.lines(width, height)
    assert len(lines) <= height
    wide = [sum(2 if letter in "日本語" else 1 for letter in line) for line in lines]
    assert max(wide) < width
    assert "[39/40]" in "".join(lines)  # the latest of what runs is what counts


def test_output_cannot_move_the_cursor():
    """Escapes are left out; what a carriage return overwrote is not shown."""
    said = "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\x08\n10%\r20%\r"
    view = a_view({"vertexes": [vertex("a", "RUN \x1b[1A")]}, {"logs": [log("a", said)]})
    assert view.lines(40, 9)[1:] == [f" => {'RUN':<30} 2.0s", " => => # red", " => => # 20%"]


def told(progress, *messages):
    with progress:
        progress.follow(json.dumps(message).encode() for message in messages)


def test_the_end_is_the_whole_list():
    """With how it ended; a failed step is marked, and what the engine says of it stands below."""
    stream = io.StringIO()
    news = {
        "vertexes": [
            vertex(str(n), f"step {n}", completed=ENDED, error="no" if n == 8 else "") for n in range(9)
        ]
    }
    messages = [
        {"id": TRACE, "aux": news},
        {"stream": "the excerpt\n"},
        {"errorDetail": {"message": "it failed"}},
    ]
    with pytest.raises(Failure, match="it failed"):
        told(LiveView(stream, size=lambda: (30, 4), colours=False), *messages)
    final = stream.getvalue().rpartition("[+]")[2].replace("\x1b[K", "").replace("\x1b[J", "").splitlines()
    assert final[0].endswith("(9/9) ERROR")
    assert final[1:9] == [f" => step {n}{' ' * 14} 2.5s" for n in range(8)]
    assert final[9:] == [" => ERROR step 8         2.5s", "the excerpt"]


def test_an_engine_without_a_trace_is_shown_as_it_speaks():
    """Docker's classic builder sends lines; they are printed."""
    stream = io.StringIO()
    told(
        LiveView(stream, size=lambda: (80, 24)),
        {"stream": "Step 1/1 : FROM x\n"},
        {"aux": {"ID": "sha256:1"}},
    )
    assert stream.getvalue() == "Step 1/1 : FROM x\n"


def test_raw_json_is_the_trace_itself():
    """A document in each line; the image's id is kept for those who want it."""
    stream = io.StringIO()
    progress = RawTrace(stream)
    told(progress, {"id": TRACE, "aux": {"vertexes": [{"digest": "a"}]}}, {"aux": {"ID": "sha256:1"}})
    assert stream.getvalue() == '{"vertexes":[{"digest":"a"}]}\n'
    assert progress.aux == [{"ID": "sha256:1"}]


def test_quiet_keeps_its_output_for_a_failure():
    """Nothing is shown until somebody asks for it."""
    kept = io.StringIO()
    progress = BuildProgress(kept, keep=True)
    told(progress, {"stream": "Step 1\n"})
    assert progress.kept is kept
    assert kept.getvalue() == "Step 1\n"


def test_a_past_build_reads_like_one_in_a_pipe():
    """Numbered pieces of work, each with its output and its end; when another speaks it is named again."""
    stream = io.StringIO()
    news = (
        {"vertexes": [vertex("a", "[1/2] FROM x", completed=BEGUN, cached=True)]},
        {"vertexes": [vertex("b", "RUN one"), vertex("c", "RUN two")]},
        {"logs": [log("b", "half a ") | {"timestamp": ENDED}, log("b", "line\n") | {"timestamp": ENDED}]},
        {"vertexes": [vertex("c", "RUN two", completed=ENDED, error="no")]},
    )
    told(PlainTrace(stream), *({"id": TRACE, "aux": each} for each in news))
    assert stream.getvalue() == (
        "#1 [1/2] FROM x\n#1 CACHED\n\n#2 RUN one\n\n#3 RUN two\n\n#2 RUN one\n#2 2.500 half a line\n"
        "\n#3 RUN two\n#3 ERROR: no\n"
    )
