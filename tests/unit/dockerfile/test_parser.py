import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yurt.dockerfile.instructions import (
    Command,
    Copy,
    Entrypoint,
    Env,
    From,
    Healthcheck,
    Instruction,
    Label,
    Onbuild,
    Run,
    Volume,
)
from yurt.dockerfile.parser import parse
from yurt.errors import InvalidArgument


def the_one(text: str) -> Instruction:
    """Return the instruction that follows FROM."""
    (instruction,) = parse(f"FROM x\n{text}".encode()).stages[0].instructions
    return instruction


SEED = b"""\
FROM python:3
MAINTAINER Somebody <somebody@example.org>
ENV PYTHONIOENCODING UTF-8
ENV TZ=Asia/Bishkek
RUN ln -snf /usr/share/zoneinfo/$TZ /etc/localtime && echo $TZ > /etc/timezone
WORKDIR /user/src/app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
RUN mkdir static && mkdir media
COPY . .
RUN python3 manage.py collectstatic --noinput
RUN chmod -R 755 /user/src/app/static
EXPOSE 8000
"""


def test_a_django_project_reads_as_it_stands() -> None:
    """Every instruction of an ordinary project becomes a value with its line."""
    (stage,) = parse(SEED).stages
    assert stage.base.image == "python:3"
    assert [str(each.location) for each in stage.instructions] == [f"Dockerfile:{n}" for n in range(2, 14)]
    assert isinstance(stage.instructions[1], Env)
    assert stage.instructions[1].pairs == (("PYTHONIOENCODING", "UTF-8"),)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("FROM x\nRUN a\n\nCOPPY . .", 'Dockerfile:4:1: unknown instruction "COPPY"', "did you mean COPY?"),
        ("RUN x", "Dockerfile:1:1: RUN before the first FROM", None),
        ("# nothing", "Dockerfile:1: no FROM: nothing to build", None),
        ("FROM a b", "Dockerfile:1:8: FROM takes one image, but has 'a b'", None),
        ("FROM a AS 1x", "Dockerfile:1:11: invalid stage name '1x'", None),
        ("FROM x\nENV A=1 B", "Dockerfile:2:9: 'B' in ENV is not name=value", None),
        ("FROM x\nENV A", "Dockerfile:2:5: ENV A has no value", None),
        ("FROM x\nCOPY a", "Dockerfile:2: COPY needs a source and a destination", None),
        (
            "FROM x\nCOPY --form=b a c",
            'Dockerfile:2:6: unknown flag of COPY "--form"',
            "did you mean --from?",
        ),
        ("FROM x\nSHELL bash -c", "Dockerfile:2:7: SHELL takes a JSON list", None),
        ("FROM x\nCMD [1]", "Dockerfile:2:5: CMD takes texts only in its JSON list", None),
        ("FROM x\nRUN cat <<EOF\na\n", "Dockerfile:2: the here-document EOF has no end", None),
        ("FROM x\nONBUILD FROM y", "Dockerfile:2:9: FROM cannot stand behind ONBUILD", None),
        ("FROM x\nONBUILD COPPY a b", 'Dockerfile:2:9: ONBUILD: unknown instruction "COPPY"', None),
        ("FROM x\nHEALTHCHECK --interval=abc CMD y", "Dockerfile:2:13: --interval=abc: 'abc' is not", None),
        ("FROM x\nUSER", "Dockerfile:2: USER without an argument", "write it as: USER name[:group]"),
        ("FROM x\nLABEL a='b", "Dockerfile:2: missing closing quote ' in LABEL", None),
        (
            "FROM x\nCOPY --link \\\n  # why\n  --frmo=y a b",
            'Dockerfile:4:3: unknown flag of COPY "--frmo"',
            None,
        ),
        ("# escape=x\nFROM a", "Dockerfile:1:10: invalid escape character 'x'", None),
        ("# escape=`\n# escape=`\nFROM a", "Dockerfile:2: directive escape is given twice", None),
    ],
)
def test_a_mistake_names_place_and_remedy(text: str, message: str, hint: str | None) -> None:
    """The complaint starts with file, line and, where it is about one word, column; says what is wrong, and hints at what was expected."""
    with pytest.raises(InvalidArgument) as caught:
        parse(text.encode())
    assert caught.value.message.startswith(message)
    if hint:
        assert caught.value.hint == hint


def test_continuations_skip_comments_and_blank_lines() -> None:
    """A continued line joins over comments and empty lines, and spans all of them."""
    run = the_one("RUN one && \\\n  # a comment\n\n  two \\  \n  three")
    assert isinstance(run, Run)
    assert run.command == Command(("one &&   two   three",), in_shell=True)
    assert (run.location.first, run.location.last) == (2, 6)


OFFICIAL = rb"""\
# A server from its sources, written as the public images of such servers are.
ARG SUITE=trixie
FROM --platform=$BUILDPLATFORM debian:${SUITE}-slim as base

ENV PATH /opt/kiln/bin:$PATH
ENV KILN_VERSION   4.2.0
ENV KILN_DEPS \
		gcc \
		make

RUN set -eux; \
	\
	marks="$(apt-mark showmanual)"; \
	apt-get install -y --no-install-recommends \
# for the clock, see the tracker; why "quotes' here do not matter
		tzdata \
	; \
	arch="$(dpkg --print-architecture | awk -F- '{ print $NF }')"; \
	case "$arch" in \
		amd64|arm64) \
			# an indented remark \ with a backslash in it

			url="https://kiln.example/${KILN_VERSION%%[a-z]*}/$arch" ;; \
		*) echo >&2 "no kiln for '$arch'"; exit 1 ;; \
	esac; \
	printf '%s\n' "${url:-none}" | sed -ri 's!^(a|b)$!\1 = '*'!'; \
	sh -c " \
		test \"\$(id -u)\" = 0 \
	"; \
	[ -z "$marks" ] || apt-mark manual $marks

FROM base AS builder
CMD [ "kiln", "--fire" ]

FROM builder as dev-envs
RUN <<EOF
apt-get update
# no comment of the Dockerfile's: the shell's
apt-get install -y git
EOF
RUN <<SCRIPT bash
  set -ex
SCRIPT
COPY --from=tools/docker / /
"""


def test_servers_images_read_as_they_stand() -> None:
    """Chains of shell with remarks between their lines, targets for development, scripts: nothing is refused."""
    base, builder, dev = parse(OFFICIAL).stages
    assert (base.name, builder.name, dev.name) == ("base", "builder", "dev-envs")
    run = base.instructions[-1]
    assert isinstance(run, Run)
    assert (run.location.first, run.location.last) == (12, 31)
    assert [" ".join(part.split()) for part in run.command.argv[0].split("; ")] == [
        "set -eux",
        'marks="$(apt-mark showmanual)"',
        "apt-get install -y --no-install-recommends tzdata",
        """arch="$(dpkg --print-architecture | awk -F- '{ print $NF }')\"""",
        'case "$arch" in amd64|arm64) url="https://kiln.example/${KILN_VERSION%%[a-z]*}/$arch" ;',
        """*) echo >&2 "no kiln for '$arch'\"""",
        "exit 1 ;",
        "esac",
        r"""printf '%s\n' "${url:-none}" | sed -ri 's!^(a|b)$!\1 = '*'!'""",
        r'sh -c " test \"\$(id -u)\" = 0 "',
        '[ -z "$marks" ] || apt-mark manual $marks',
    ]
    first, second, _ = dev.instructions
    assert isinstance(first, Run)
    assert "# no comment of the Dockerfile's" in first.heredocs[0].content
    assert isinstance(second, Run)
    assert (second.command.argv, second.heredocs[0].content) == (("<<SCRIPT bash",), "  set -ex\n")


def test_an_escaped_escape_continues_nothing() -> None:
    """Two backslashes at the end of a line stand for one."""
    first, second = parse(b"FROM x\nRUN echo \\\\\nRUN b").stages[0].instructions
    assert isinstance(first, Run)
    assert isinstance(second, Run)


def test_the_escape_directive_changes_continuation() -> None:
    """With escape=` a backslash ends a line like any character."""
    (stage,) = parse(b"# escape=`\nFROM x\nRUN a `\n  b\nRUN c:\\\n").stages
    assert [each.original for each in stage.instructions] == ["RUN a   b", "RUN c:\\"]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    """A file saved on Windows reads the same."""
    (stage,) = parse("\ufeffFROM x\r\nRUN a \\\r\n b\r\n".encode()).stages
    assert stage.instructions[0].original == "RUN a  b"


def test_heredocs_belong_to_run_and_copy() -> None:
    """RUN keeps the text for its shell, COPY takes each as a file; quotes switch expansion off."""
    run = the_one("RUN python3 <<'EOF' && cat <<-END\nprint(1)\nEOF\n\tx\n\tEND\n")
    assert isinstance(run, Run)
    assert [(doc.name, doc.content, doc.expand) for doc in run.heredocs] == [
        ("EOF", "print(1)\n", False),
        ("END", "x\n", True),
    ]
    copy = the_one("COPY <<a.txt b.txt /to/\nhello\na.txt\n")
    assert isinstance(copy, Copy)
    assert copy.sources == ("b.txt",)
    assert copy.inline[0].content == "hello\n"


def test_json_and_shell_forms() -> None:
    """A JSON list is taken as it stands; what is no JSON is a shell's text."""
    exec_form = the_one('ENTRYPOINT ["/bin/x", "a b"]')
    assert isinstance(exec_form, Entrypoint)
    assert exec_form.command == Command(("/bin/x", "a b"), in_shell=False)
    shell_form = the_one("ENTRYPOINT [ -f x ] && y")
    assert isinstance(shell_form, Entrypoint)
    assert shell_form.command.in_shell


def test_values_keep_their_quotes_until_expansion() -> None:
    """LABEL and ENV part words outside quotes; VOLUME takes words or JSON."""
    label = the_one("LABEL a=\"b c\" d='e f' g=h\\ i")
    assert isinstance(label, Label)
    assert label.pairs == (("a", '"b c"'), ("d", "'e f'"), ("g", "h\\ i"))
    volume = the_one("VOLUME /a /b")
    assert isinstance(volume, Volume)
    assert volume.paths == ("/a", "/b")


def test_flags_come_before_the_rest() -> None:
    """Flags are read off COPY, RUN, FROM and HEALTHCHECK, and nowhere else."""
    copy = the_one("COPY --from=build --chown=1:2 --chmod=755 /a /b/")
    assert isinstance(copy, Copy)
    assert (copy.origin, copy.chown, copy.chmod, copy.sources, copy.target) == (
        "build",
        "1:2",
        "755",
        ("/a",),
        "/b/",
    )
    health = the_one("HEALTHCHECK --interval=1m30s --retries=5 CMD curl --fail localhost")
    assert isinstance(health, Healthcheck)
    assert health.interval == 90_000_000_000
    assert health.test == ("CMD-SHELL", "curl --fail localhost")
    assert the_one("CMD --help").original == "CMD --help"


def test_stages_have_names_and_platforms() -> None:
    """FROM reads its flag and its name, in any case."""
    first, second = parse(b"ARG V=3\nFROM --platform=linux/amd64 x:$V as Build\nFROM Build").stages
    assert isinstance(first.base, From)
    assert (first.base.image, first.name, first.base.platform) == ("x:$V", "build", "linux/amd64")
    assert second.base.image == "Build"


def test_onbuild_keeps_its_trigger_whole() -> None:
    """The trigger is text for the child's build, here-documents included."""
    onbuild = the_one("ONBUILD RUN <<EOF\na\nEOF")
    assert isinstance(onbuild, Onbuild)
    assert onbuild.trigger == "RUN <<EOF\na\nEOF"


WORDS = st.sampled_from(
    [
        "FROM",
        "RUN",
        "COPY",
        "ADD",
        "ENV",
        "ONBUILD",
        "HEALTHCHECK",
        "--mount=type=cache",
        "--from=",
        "<<EOF",
        "EOF",
        "\n",
        "\\\n",
        "\n# escape=`\n",
        " ",
        "=",
        '"',
        "'",
        "[",
        "]",
        "$x",
        "${",
        "\t",
        "\r\n",
        "x",
        "\\",
        "--",
        "as",
    ]
)


@given(
    st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=30).map(lambda each: " ".join(each).encode()))
)
@example(b"ONBUILD <<EOF\n")
@example(b"FROM x\nONBUILD RUN <<EOF\nEOF")
@example(b"FROM x\nRUN --mount")
def test_any_bytes_parse_or_are_refused_with_file_and_line(data: bytes) -> None:
    """Whatever the bytes: a Dockerfile, or InvalidArgument that names a line."""
    try:
        assert parse(data, file="F").stages
    except InvalidArgument as bad:
        assert bad.message.startswith("F:")  # noqa: PT017 - refusal is one of two good ends
