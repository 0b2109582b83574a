"""Questions about a Dockerfile in place of a build: BuildKit's subrequests, answered as metadata. Pure.

Facts: https://docs.docker.com/reference/cli/docker/buildx/build/#call. Clients draw the JSON themselves; the text
is for those that know no better.
"""

from typing import Any

import msgspec

from yurt.dockerfile.checks.findings import RULES, Finding
from yurt.dockerfile.excerpt import line_of, without_place
from yurt.dockerfile.location import Location
from yurt.dockerfile.outline import Parameter, outline, targets
from yurt.dockerfile.scope import platform_arguments
from yurt.engine.build.checking import Examined
from yurt.engine.build.model import BuildRequest
from yurt.errors import Unimplemented

VERSION = "1.0.0"
LANGUAGE = "Dockerfile"
QUESTIONS = {
    "frontend.lint": "what the checks find in a Dockerfile",
    "frontend.outline": "what the target of a build takes",
    "frontend.targets": "what can be built by name",
    "frontend.subrequests.describe": "what can be asked",
}


def answer(question: str, request: BuildRequest, found: Examined, *, platform: str) -> dict[str, bytes]:
    """Return the answer to *question*; raise Unimplemented when it is none that is known here."""
    if question == "frontend.subrequests.describe":
        return _metadata([_described(name) for name in QUESTIONS])
    if question == "frontend.lint":
        status = "1" if found.findings or found.error else "0"
        return _metadata(_lint(request, found)) | {"result.statuscode": status.encode()}
    if question not in QUESTIONS:
        raise Unimplemented(f"{question} cannot be asked", hint=f"known are {', '.join(sorted(QUESTIONS))}")
    if found.dockerfile is None:
        assert found.error is not None
        raise found.error
    if question == "frontend.targets":
        listed = [
            _without_empty(
                {
                    "name": each.name,
                    "default": each.is_default,
                    "description": each.description,
                    "base": each.base,
                    "platform": each.platform,
                    "location": _location(each.where),
                }
            )
            for each in targets(found.dockerfile)
        ]
        return _metadata({"targets": listed, "sources": [found.text]})
    about = outline(
        found.dockerfile,
        target=request.target,
        given=request.build_args,
        predefined=platform_arguments(platform, stage=request.target),
    )
    return _metadata(
        _without_empty(
            {
                "name": about.name,
                "description": about.description,
                "args": [_parameter(each) for each in about.arguments],
                "secrets": [_parameter(each) for each in about.secrets],
                "ssh": [_parameter(each) for each in about.agents],
                "sources": [found.text],
            }
        )
    )


def _metadata(document: Any) -> dict[str, bytes]:
    data = msgspec.json.format(msgspec.json.encode(document), indent=2)
    return {"result.json": data, "result.txt": data, "version": VERSION.encode()}


def _described(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": VERSION,
        "type": "rpc",
        "description": QUESTIONS[name],
        "metadata": [{"name": "result.json"}, {"name": "result.txt"}],
    }


def _lint(request: BuildRequest, found: Examined) -> dict[str, Any]:
    document: dict[str, Any] = {
        "warnings": [_warning(finding) for finding in found.findings],
        "sources": [{"filename": request.dockerfile, "data": found.text, "language": LANGUAGE}],
    }
    if found.error is not None:
        message = without_place(found.error.message, request.dockerfile)
        line = line_of(found.error.message, request.dockerfile) or 1
        document["buildError"] = {
            "message": message,
            "location": _location(Location(request.dockerfile, line, line)),
        }
    return document


def _warning(finding: Finding) -> dict[str, Any]:
    return {
        "ruleName": finding.rule,
        "description": RULES[finding.rule],
        "url": finding.url,
        "detail": finding.message,
        "location": _location(finding.where),
    }


def _location(where: Location) -> dict[str, Any]:
    lines = [{"line": line} for line in range(where.first, where.last + 1)]
    return {"ranges": [{"start": line, "end": line} for line in lines]}


def _parameter(each: Parameter) -> dict[str, Any]:
    return _without_empty(
        {
            "name": each.name,
            "description": each.description,
            "value": each.value,
            "required": each.required,
            "location": _location(each.where),
        }
    )


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value not in ("", False, [])}
