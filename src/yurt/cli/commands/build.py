"""`yurt build`: an image from a Dockerfile."""

from __future__ import annotations

import io
import json
import sys

from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.cli.values import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from yurt.cli.session import Session


@command(
    "build [OPTIONS] PATH",
    "Build an image from a Dockerfile",
    flags="""
    -t, --tag NAME…             Name of the image
    -f, --file FILE             The Dockerfile (default: PATH/Dockerfile; -: stdin)
    --build-arg NAME=VALUE…     Value of an ARG; NAME alone takes yours
    --target STAGE              Build up to this stage
    --no-cache                  Do not use what was built before
    --pull                      Look for newer base images
    -q, --quiet                 Only the image's id; the output if it fails
    -l, --label NAME=VALUE…     Set a label
    --platform PLATFORM         os/architecture
    --network MODE              Network of RUN
    --add-host NAME:ADDRESS…    A line in /etc/hosts of RUN
    --shm-size SIZE             Size of /dev/shm of RUN
    -m, --memory SIZE           Limit of memory of RUN
    --rm                        Remove intermediate containers (default: true)
    --force-rm                  Also those of a failed build
    --iidfile FILE              Write the image's id to a file
    --progress KIND             auto or plain
    """,
    example="""
    yurt build -t shop .
    yurt build -t shop:test --target test --build-arg PYTHON=3.13 -f deploy/Dockerfile .
    """,
)
def build(session: Session, options: Options) -> None:
    from yurt.cli.credentials import header_of_all
    from yurt.cli.progress import Progress
    from yurt.client.context import BuildContext

    path, dockerfile = options.arguments[0], options.text("file")
    if path == "-" or path.startswith(("http://", "https://", "git@", "git://")):
        raise Failure(
            f"cannot build {path!r}: the context must be a folder", hint="fetch it, then yurt build FOLDER"
        )
    if dockerfile == "-":
        context = BuildContext.find(path, inline=sys.stdin.read())
    else:
        context = BuildContext.find(path, dockerfile=_relative(dockerfile, path))
    quiet = options.flag("quiet")
    shown = io.StringIO() if quiet else session.out
    progress = Progress(shown, moving=False if options.text("progress") == "plain" or quiet else None)
    lines = session.client.lines(
        "POST",
        "/build",
        query=_query(options, session.environ, context.dockerfile),
        body=context.stream(),
        headers={"Content-Type": "application/x-tar"} | header_of_all(session.environ),
    )
    try:
        progress.follow(lines)
    except Failure as failed:
        if isinstance(shown, io.StringIO):
            session.err.write(shown.getvalue())
        raise Failure(
            f"the build failed: {context.in_users_words(failed.message)}", hint=failed.hint
        ) from failed
    identifier = next((str(aux["ID"]) for aux in reversed(progress.aux) if aux.get("ID")), "")
    if quiet:
        session.print(identifier)
    if options.text("iidfile"):
        with open(options.text("iidfile"), "w", encoding="utf-8") as file:
            file.write(identifier)


def _relative(dockerfile: str, path: str) -> str:
    """Return ``-f`` as the context wants it: the flag is relative to where one stands, not to the context."""
    import os

    if not dockerfile:
        return ""
    if os.path.exists(dockerfile) or not os.path.exists(os.path.join(path, dockerfile)):
        return os.path.abspath(dockerfile)
    return dockerfile


def _query(options: Options, environ: Mapping[str, str], dockerfile: str) -> dict[str, Any]:
    from yurt.cli import values

    arguments: dict[str, str | None] = {}
    for text in options.all("build-arg"):
        name, mark, value = text.partition("=")
        arguments[name] = value if mark else environ.get(name)
    labels = pairs(options.all("label"))
    return {
        "version": "1",
        "t": options.all("tag") or None,
        "dockerfile": dockerfile,
        "target": options.text("target") or None,
        "nocache": options.flag("no-cache") or None,
        "pull": options.flag("pull") or None,
        "rm": options.flag("rm", default=True),
        "forcerm": options.flag("force-rm") or None,
        "buildargs": json.dumps(arguments) if arguments else None,
        "labels": json.dumps(labels) if labels else None,
        "platform": options.text("platform") or None,
        "networkmode": options.text("network") or None,
        "extrahosts": ",".join(options.all("add-host")) or None,
        "shmsize": values.size(options.text("shm-size")) if options.has("shm-size") else None,
        "memory": values.size(options.text("memory")) if options.has("memory") else None,
    }
