"""Rules about how a Dockerfile is written, for which no variable counts."""

from collections.abc import Iterator, Sequence

from yurt.dockerfile.checks.findings import Finding
from yurt.dockerfile.instructions import Arg, From, Instruction
from yurt.dockerfile.lexer import Statement
from yurt.dockerfile.location import Location

RESERVED = frozenset({"context", "scratch"})


def check_statements(statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield what can be said of statements one by one, whether or not the rest of the file makes sense."""
    for statement in statements:
        where = statement.location
        if statement.has_gap:
            last = Location(where.file, where.last, where.last)
            yield Finding("NoEmptyContinuation", last, "an empty line inside a continued instruction")
        if statement.keyword == "MAINTAINER":
            yield Finding("MaintainerDeprecated", where, "MAINTAINER is deprecated: write LABEL maintainer=…")
        words = statement.rest.split()
        if statement.keyword == "FROM" and len(words) == 3:
            _, keyword, name = words
            if name != name.lower():
                yield Finding("StageNameCasing", where, f"the stage name {name} is not in lower case")
            if not _same_case(statement.word, keyword):
                yield Finding(
                    "FromAsCasing", where, f"{statement.word} and {keyword} are written in different cases"
                )


def check_descriptions(pairs: Sequence[tuple[Statement, Instruction]]) -> Iterator[Finding]:
    """Yield comments that stand where a description belongs and are none."""
    for statement, instruction in pairs:
        names: tuple[str, ...] = ()
        if isinstance(instruction, From):
            names = (instruction.name,) if instruction.name else ()
        elif isinstance(instruction, Arg):
            names = tuple(name for name, _ in instruction.items)
        if not names or not statement.comment or statement.comment.split(" ", 1)[0] in names:
            continue
        shown = names[0] if len(names) == 1 else "NAME"
        yield Finding(
            "InvalidDefinitionDescription",
            statement.location,
            f"the comment above describes nothing: write `# {shown} <description>`",
        )


def description_of(statement: Statement, name: str) -> str:
    """Return what the comment above *statement* says about *name*; empty when it says nothing."""
    first, _, rest = statement.comment.partition(" ")
    return rest if first == name else ""


def check_casing(statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield instructions from the first FROM on that are not written as most of them are."""
    words = [statement.word for statement in statements]
    lower, upper = sum(word.islower() for word in words), sum(word.isupper() for word in words)
    majority = "lower" if lower > upper else "upper"
    for statement in statements:
        expected = statement.word.lower() if majority == "lower" else statement.word.upper()
        if statement.word != expected:
            yield Finding(
                "ConsistentInstructionCasing",
                statement.location,
                f"{statement.word} is not written like most instructions: {expected}",
            )


def check_stage_names(bases: Sequence[From]) -> Iterator[Finding]:
    """Yield names of stages that are given twice, or that mean something else."""
    seen: dict[str, Location] = {}
    for base in bases:
        name, where = base.name, base.location
        if not name:
            continue
        if name in RESERVED:
            yield Finding("ReservedStageName", where, f"the stage name {name} has a meaning of its own")
        if name in seen:
            yield Finding(
                "DuplicateStageName",
                where,
                f"the stage name {name} is taken already, in line {seen[name].first}",
            )
        seen.setdefault(name, where)


def _same_case(one: str, other: str) -> bool:
    """Say whether both are in one case; a word in mixed case is told of elsewhere, and left alone here."""
    if not (one.islower() or one.isupper()):
        return True
    return one.islower() == other.islower() and one.isupper() == other.isupper()
