"""Values of builds: what is asked (BuildRequest) and what is said while it runs (BuildEvent)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yurt.dockerfile.checks.findings import Finding
from yurt.engine.build.cache_places import CachePlace
from yurt.engine.build.named_contexts import LayoutPlace
from yurt.engine.progress import Progress
from yurt.oci.descriptor import Descriptor

INSECURE, HOST_NETWORK = "security.insecure", "network.host"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """All that `BuildService.build` is told beside the context.

    *dockerfile* is a path inside the context. *build_args* maps a name to its value; None means that the
    client named the argument without a value. *network_mode* is Docker's word (bridge, host, none, a network's
    name); empty: the default network. *contexts* gives names of images in the Dockerfile another meaning: the
    reference (or id) of the image to take instead; *folders* likewise, folders of the origin's; *addresses*, of files or
    repositories; *layouts*, images in folders. *remote* is the address of the context, *subdir* the folder of that
    repository; empty: the origin has it. *ulimits* are name, soft and hard limit.
    """

    tags: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    target: str = ""
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False  # ask for newer base images even when they are here
    quiet: bool = False  # say only the image's id
    platform: str = ""
    network_mode: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size: int = 64 * 1024 * 1024
    memory: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, LayoutPlace] = field(default_factory=dict)
    remote: str = ""
    subdir: str = ""
    entitlements: frozenset[str] = frozenset()  # what steps may have that ask for it: INSECURE, HOST_NETWORK
    no_cache_stages: frozenset[str] = frozenset()  # names or numbers of stages that are made anew
    cache_from: tuple[CachePlace, ...] = ()
    cache_to: tuple[CachePlace, ...] = ()
    title: str = ""  # what the history calls this build; empty: by its tags
    ref: str = ""  # the client's own name for it


@dataclass(frozen=True, slots=True)
class Output:
    """Text for the person who waits, lines and parts of lines as they come.

    *activity* is the key of the one whose own output this is, on *stream* 1 or 2; empty: the builder speaks.
    *stage* is the index of the stage that it tells of, None: of the build as a whole.
    """

    text: str
    activity: str = ""
    stream: int = 1
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class Pulling:
    """News of a base image on its way, for *activity*."""

    progress: Progress
    activity: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """A piece of work that takes its time. *key* tells it apart within its build; *inputs* are keys it waits for."""

    key: str
    name: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Announced:
    """These will be begun, unless something fails before."""

    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """An activity is under way."""

    activity: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An activity came to its end: well, unless *error* says why not. *cached*: there was nothing to do."""

    activity: str
    cached: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class StagesBegun:
    """The stages with these indexes are made now, all at once as far as they do not need one another."""

    stages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage came to its end; *failed*: the build ends with it."""

    stage: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """A check found something; the build goes on."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Failed:
    """The build ends with an error, raised next. *excerpt* has the lines of the Dockerfile that it is about, marked.

    Of a step that ran and failed *step* is its name and *tail* the end of its output; *excerpt* may be empty.
    """

    message: str
    excerpt: str = ""
    step: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class CacheExported:
    """The build cache is at *place* now, under *manifest*."""

    place: CachePlace
    manifest: Descriptor


@dataclass(frozen=True, slots=True)
class Built:
    """The last event of a build that went well: the image's id (``sha256:…``)."""

    image_id: str


BuildEvent = (
    Output
    | Pulling
    | Announced
    | Begun
    | Ended
    | StagesBegun
    | StageEnded
    | Warned
    | Failed
    | CacheExported
    | Built
)
