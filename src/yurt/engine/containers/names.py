"""Names of containers: which are allowed, and one for a container that was given none."""

import random
import re
from collections.abc import Callable

from yurt.errors import InvalidArgument

_ALLOWED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_MANNERS = tuple(
    "amber azure brave brisk calm clear eager early fleet fond gentle glad golden hardy keen kind lively lucid "  # noqa: SIM905
    "merry mild noble nimble patient plain quick quiet rapid ready rosy sandy silent silver smooth sober solar "
    "spry steady still stout sunny swift tidy vivid warm wild windy wise witty".split()
)
_THINGS = tuple(
    "argali bactrian bobak bridle bustard buzzard camel cedar corsac crane eagle edelweiss ermine falcon feather "  # noqa: SIM905
    "felt foal gazelle gerbil goat hearth heron horse ibex jerboa juniper kulan lark lattice lynx mare marmot "
    "meadow mountain pallas pasture poplar ridge river saddle saiga saker snowcock spring steppe stirrup sturgeon "
    "summit tulip valley wagtail willow wolf wool".split()
)


def checked(name: str) -> str:
    """Return *name* without its leading slash; raise InvalidArgument, in Docker's words, when it may not be one."""
    bare = name.removeprefix("/")
    if not _ALLOWED.fullmatch(bare):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare


def invented(taken: Callable[[str], bool]) -> str:
    """Return a name for which *taken* is false: two words of the steppe, and a number when all pairs are gone."""
    for attempt in range(1000):
        name = f"{random.choice(_MANNERS)}_{random.choice(_THINGS)}"  # noqa: S311 - no secret
        if attempt > 10:
            name += str(random.randrange(10 ** min(attempt // 10, 9)))  # noqa: S311
        if not taken(name):
            return name
    raise InvalidArgument("no free name was found; give the container one")
