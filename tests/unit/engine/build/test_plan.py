import pytest

from yurt.dockerfile.parser import parse
from yurt.engine.build.files import FILE, FOLDER, ContextTree, FileEntry
from yurt.engine.build.layout import Base, lay_out
from yurt.engine.build.plan import Planner
from yurt.engine.build.steps import BuildPlan, CopyWork, FolderWork, RunWork
from yurt.errors import InvalidArgument, NotFound, YurtError
from yurt.oci.config import ImageConfig

BASE = Base("sha256:" + "1" * 64, "sha256:" + "2" * 64, ImageConfig(env=("PATH=/bin", "LANG=C"), cmd=("sh",)))


def a_context(**contents: str) -> ContextTree:
    entries = {path.replace("__", "/"): text for path, text in contents.items()}
    folders = {path.rpartition("/")[0] for path in entries if "/" in path}
    return ContextTree(
        "/ctx",
        {path: FileEntry(path, FILE, digest=text, size=len(text)) for path, text in entries.items()}
        | {path: FileEntry(path, FOLDER, 0o755) for path in folders},
    )


CONTEXT = a_context(app_py="1", lib__a_py="2", lib__b_py="3")


def a_plan(
    text: str,
    *,
    context: ContextTree = CONTEXT,
    base: Base = BASE,
    target: str = "",
    given: dict[str, str] | None = None,
) -> BuildPlan:
    layout = lay_out(parse(text.encode()), target=target, given=given or {}, platform="linux/amd64")
    images = dict.fromkeys(layout.images(), base)
    return Planner(layout, images, context, given or {}).plan()


def keys(text: str, **more: object) -> list[str]:
    """Return the keys of the steps that have work."""
    plan = a_plan(text, **more)  # type: ignore[arg-type]
    return [step.key for stage in plan.stages for step in stage.steps if step.work]


def config(text: str) -> ImageConfig:
    return a_plan(f"FROM base\n{text}").target.config


def test_configuration_adds_up() -> None:
    """Each instruction leaves its mark on the image's configuration."""
    made = config(
        'ENV A=1 B="x y"\nENV C $A-$B\nLABEL l=$C\nEXPOSE 80 53/udp 90-91\nVOLUME /v\nUSER app\n'
        'WORKDIR /a\nWORKDIR b\nSTOPSIGNAL SIGINT\nCMD ["run"]\nENTRYPOINT ["/e"]\nMAINTAINER Me\n'
        "HEALTHCHECK --interval=5s CMD check\nONBUILD RUN x"
    )
    assert made.env == ("PATH=/bin", "LANG=C", "A=1", "B=x y", "C=1-x y")
    assert made.labels == {"l": "1-x y"}
    assert made.exposed_ports == ("80/tcp", "53/udp", "90/tcp", "91/tcp")
    assert (made.user, made.working_dir, made.stop_signal, made.author) == ("app", "/a/b", "SIGINT", "Me")
    assert (made.entrypoint, made.cmd, made.volumes) == (("/e",), ("run",), ("/v",))
    assert made.healthcheck == {"Test": ["CMD-SHELL", "check"], "Interval": 5_000_000_000}
    assert made.on_build == ("RUN x",)


def test_an_entrypoint_drops_the_inherited_command() -> None:
    """CMD of the base image belongs to its entrypoint; one of this stage stays."""
    assert config('ENTRYPOINT ["/e"]').cmd == ()
    assert config('CMD ["c"]\nENTRYPOINT ["/e"]').cmd == ("c",)


def test_variables_of_one_env_do_not_see_each_other() -> None:
    """All values of one instruction are expanded with what was before it."""
    assert config("ENV a=hello\nENV a=bye b=$a").env[-2:] == ("a=bye", "b=hello")


def test_path_counts_even_where_the_image_has_none() -> None:
    """ENV PATH=$PATH:/x keeps the default path."""
    made = a_plan("FROM scratch\nENV PATH=$PATH:/x").target.config
    assert made.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/x",)


def works(text: str) -> list[object]:
    return [step.work for stage in a_plan(text).stages for step in stage.steps if step.work]


def test_run_gets_its_shell_arguments_and_scripts() -> None:
    """Shell and exec forms, declared arguments, here-documents with and without a shebang."""
    shell, exec_form, script, heredoc, words = works(
        'FROM b\nARG V=1\nRUN echo $V\nSHELL ["bash", "-ec"]\nRUN ["a", "$V"]\n'
        "RUN <<END\n#!/usr/bin/env python3\nprint()\nEND\nRUN <<END\nx\ny\nEND\nRUN cat <<'END' > f\nz\nEND\n"
    )
    assert isinstance(shell, RunWork)
    assert (shell.argv, shell.environment) == (("/bin/sh", "-c", "echo $V"), ("V=1",))
    assert isinstance(exec_form, RunWork)
    assert exec_form.argv == ("a", "$V")
    assert isinstance(script, RunWork)
    assert script.argv == ("/dev/yurt-script-END",)
    assert script.scripts == (("yurt-script-END", "#!/usr/bin/env python3\nprint()\n"),)
    assert isinstance(heredoc, RunWork)
    assert heredoc.argv == ("bash", "-ec", "x\ny\n")
    assert isinstance(words, RunWork)
    assert words.argv[-1] == "cat <<'END' > f\nz\nEND\n"


def test_copy_goes_where_the_working_directory_is() -> None:
    """A relative target is joined; a slash or a dot makes it a folder."""
    into, onto, folder = works("FROM b\nWORKDIR /w\nCOPY app_py ./\nCOPY app_py x")[0:3]
    assert isinstance(into, FolderWork)
    assert isinstance(onto, CopyWork)
    assert (onto.path, onto.is_folder) == ("/w", True)
    assert isinstance(folder, CopyWork)
    assert (folder.path, folder.is_folder) == ("/w/x", False)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("COPY missing /", NotFound, "Dockerfile:2: COPY: 'missing' matches no file in the build context"),
        ("COPY app_py lib /x", InvalidArgument, "Dockerfile:2: several sources, but the destination /x"),
        ("COPY lib/* /x", InvalidArgument, "Dockerfile:2: lib/* matches 2 files, but the destination /x"),
        ("COPY --chmod=u+q app_py /x", InvalidArgument, "Dockerfile:2: --chmod=u+q: not a mode"),
        ("EXPOSE web", InvalidArgument, "Dockerfile:2: 'web' is not a port"),
        ("EXPOSE 99999", InvalidArgument, "Dockerfile:2: '99999' is not a port: ports go from 1"),
        ("ENV A=${B", InvalidArgument, "Dockerfile:2: missing } after ${B"),
        ("RUN --mount=type=cash,target=/x y", InvalidArgument, "Dockerfile:2: --mount=type=cash,target=/x"),
        ("RUN --security=insecure y", InvalidArgument, "Dockerfile:2: security.insecure is not allowed"),
        ("RUN --mount=type=tmpfs,target=/ y", InvalidArgument, "Dockerfile:2: --mount: the target / is"),
        ("RUN --security=odd y", InvalidArgument, "Dockerfile:2: --security=odd: expected sandbox"),
        ("RUN --network=host y", InvalidArgument, "Dockerfile:2: network.host is not allowed"),
        ("ADD --checksum=md5:1 https://x/y /z", InvalidArgument, "Dockerfile:2: --checksum=md5:1: expected"),
        ("ADD --checksum=sha256:1 app_py /z", InvalidArgument, "Dockerfile:2: --checksum is for sources"),
        ("ADD https://x/y https://x/z /z", InvalidArgument, "Dockerfile:2: several sources"),
        ("USER $NOBODY", InvalidArgument, "Dockerfile:2: USER $NOBODY names no user"),
    ],
)
def test_mistakes_are_told_before_anything_runs(text: str, kind: type[YurtError], message: str) -> None:
    """The plan itself complains, with file and line."""
    with pytest.raises(kind) as caught:
        a_plan(f"FROM base\n{text}")
    assert caught.value.message.startswith(message)


def test_what_lies_elsewhere_is_missing_until_it_is_fetched() -> None:
    """ADD of an address is planned whole once the planner has its files, and copies them as they are."""
    layout = lay_out(parse(b"FROM base\nADD https://x/y /z"), target="", given={}, platform="linux/amd64")
    planner = Planner(layout, dict.fromkeys(layout.images(), BASE), CONTEXT, {})
    planner.plan()
    (source,) = planner.missing
    assert (source.url, str(planner.missing[source])) == ("https://x/y", "Dockerfile:2")
    planner.remotes[source] = ContextTree("/fetched", {"y": FileEntry("y", FILE, digest="1")})
    (work,) = (step.work for step in planner.plan().target.steps if step.work)
    assert not planner.missing
    assert isinstance(work, CopyWork)
    assert [(one.base, one.entries[0].path) for one in work.fetched] == [("/fetched", "y")]
    assert work.selections == ()


def test_an_empty_base_is_explained() -> None:
    """FROM $X without a value says which line, and how to give one."""
    with pytest.raises(InvalidArgument) as caught:
        a_plan("ARG X\nFROM $X")
    assert caught.value.message == "Dockerfile:2: FROM $X names no image: the variable is empty"


RUNS = "FROM base\nARG V=1\nENV E=1\nRUN one\nLABEL x=1\nCOPY lib /lib\nRUN two\n"


def test_the_same_input_has_the_same_keys() -> None:
    """Keys depend on nothing but the input."""
    assert keys(RUNS) == keys(RUNS)
    assert a_plan(RUNS).key == a_plan(RUNS).key


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (RUNS.replace("one", "uno"), 0),
        (RUNS.replace("LABEL x=1", "LABEL x=2"), 3),
        (RUNS.replace("E=1", "E=2"), 0),
        (RUNS.replace("two", "due"), 2),
        ("# a comment\n" + RUNS, 3),
        (RUNS + "EXPOSE 1\n", 3),
    ],
)
def test_a_change_invalidates_what_comes_after_it(text: str, same: int) -> None:
    """A changed step and all after it have other keys; labels and the like do not count for files."""
    before, after = keys(RUNS), keys(text)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * same + [False] * (3 - same)


def test_a_changed_label_makes_another_image() -> None:
    """What does not count for files counts for the image."""
    assert a_plan(RUNS).key != a_plan(RUNS.replace("LABEL x=1", "LABEL x=2")).key


def test_files_arguments_and_bases_count() -> None:
    """Content, build arguments and the base's files each change the keys from there on; proxies do not."""
    changed = keys(RUNS, context=a_context(lib__a_py="2", lib__b_py="other"))
    assert [a == b for a, b in zip(keys(RUNS), changed, strict=True)] == [True, False, False]
    assert keys(RUNS, given={"V": "2"})[0] != keys(RUNS)[0]
    assert keys(RUNS, base=Base(BASE.id, "sha256:" + "3" * 64, BASE.config))[0] != keys(RUNS)[0]
    assert keys(RUNS, given={"http_proxy": "http://p"}) == keys(RUNS)


STAGES = "FROM base AS one\nRUN a\nFROM base\nCOPY --from=one /x /y\n"


def test_a_copy_follows_the_stage_it_reads() -> None:
    """A change in a stage changes the copies out of it."""
    assert keys(STAGES)[1] != keys(STAGES.replace("RUN a", "RUN b"))[1]


def test_onbuild_runs_in_the_child() -> None:
    """The base's triggers come right after FROM, and are gone from the child."""
    base = Base(BASE.id, BASE.chain, ImageConfig(on_build=("RUN trigger", "ENV X=1")))
    plan = a_plan("FROM base\nRUN own", base=base)
    assert [step.text for step in plan.target.steps] == ["FROM base", "RUN trigger", "ENV X=1", "RUN own"]
    assert plan.target.config.on_build == ()


def test_arguments_that_nothing_declares_are_named() -> None:
    """A --build-arg with a typing mistake is not lost silently."""
    assert a_plan("ARG A\nFROM base", given={"A": "1", "B": "2", "http_proxy": "p"}).unused_args == ("B",)


def test_platform_arguments_are_there_once_declared() -> None:
    """TARGETARCH is known to FROM lines and to stages that ask."""
    assert config("ARG TARGETARCH\nENV A=$TARGETARCH").env[-1] == "A=amd64"
    assert config("ENV A=$TARGETARCH").env[-1] == "A="
