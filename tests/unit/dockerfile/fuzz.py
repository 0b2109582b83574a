"""The target of scripts/fuzz: one input as a Dockerfile, as ignore rules and as a text with variables."""

import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["yurt.dockerfile"]):
    from tests.unit.dockerfile.test_fuzz import ignore, read, substitute


def answer(data: bytes) -> None:
    """Whatever is raised here was found."""
    read(data)
    text = data.decode(errors="replace")
    ignore(text, "a/b/c")
    substitute(text[:2000], {"a": "aaaa/bbbb", "A": ""})


if __name__ == "__main__":
    atheris.Setup(sys.argv, answer)
    atheris.Fuzz()
