"""Where a build cache is kept beyond the engine, as clients name it: ``type=registry,ref=…``. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from yurt.errors import InvalidArgument, Unimplemented
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference

REGISTRY, IMAGE, FOLDER, CLIENT, INLINE = "registry", "image", "local", "client", "inline"
_TARGET_WORDS = {
    REGISTRY: {"ref"},
    FOLDER: {"dest", "tag"},
    INLINE: set(),
}
_WITHOUT_EFFECT = frozenset({
    "compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CachePlace:
    """A build cache's place. *kind* says what *name* is.

    REGISTRY: a reference; IMAGE: likewise, and the image may be here; FOLDER: a path on this machine, that of an OCI image layout; CLIENT: the name of a store
    that the build's origin has; INLINE: nothing, the cache is in the image that is built. *tag* and *digest* say what
    of a layout is meant. *whole*: all stages' steps are exported, not only those of the result.
    """

    kind: str
    name: str = ""
    tag: str = "latest"
    digest: str = ""
    whole: bool = False
    ignore_error: bool = False

    def __str__(self) -> str:
        return self.name if self.kind in {REGISTRY, IMAGE} else f"{self.kind}:{self.name}".rstrip(":")

    @classmethod
    def source(cls, kind: str, words: Mapping[str, str], *, stores: str = FOLDER) -> Self:
        """Return the place that a cache is taken from; *stores* is the kind that a client's folder is of."""
        if kind in {REGISTRY, IMAGE}:
            return cls(kind, _reference(words))
        if kind == FOLDER:
            if not words.get("src"):
                raise InvalidArgument("--cache-from type=local: it has no src", hint="add src=FOLDER")
            digest = words.get("digest", "")
            return cls(
                stores,
                words["src"],
                words.get("tag") or "latest",
                str(Digest.parse(digest)) if digest else "",
            )
        raise Unimplemented(
            f"a build cache of type {kind or 'unknown'} is not supported",
            hint="take type=registry,ref=NAME or type=local,src=FOLDER",
        )

    @classmethod
    def target(cls, kind: str, words: Mapping[str, str], *, stores: str = FOLDER) -> Self:
        """Return the place that a cache goes to; raise InvalidArgument or Unimplemented for what is none."""
        if kind not in _TARGET_WORDS:
            raise Unimplemented(
                f"exporting a build cache of type {kind or 'unknown'} is not supported",
                hint="take type=registry,ref=NAME, type=local,dest=FOLDER or type=inline",
            )
        for word in words:
            if word not in _TARGET_WORDS[kind] | _WITHOUT_EFFECT | {"mode", "ignore-error"}:
                raise InvalidArgument(f"--cache-to type={kind}: {word} is not known")
        mode = words.get("mode", "min")
        if mode not in {"min", "max"}:
            raise InvalidArgument(f"--cache-to type={kind}: mode={mode} is not min or max")
        if kind == INLINE and mode == "max":
            raise InvalidArgument(
                "--cache-to type=inline: an image holds the steps that made it, so mode=max is not possible",
                hint="take type=registry,mode=max",
            )
        found = cls(kind, whole=mode == "max", ignore_error=words.get("ignore-error") == "true")
        if kind == REGISTRY:
            return cls(kind, _reference(words), whole=found.whole, ignore_error=found.ignore_error)
        if kind == INLINE:
            return found
        if not words.get("dest"):
            raise InvalidArgument("--cache-to type=local: it has no dest", hint="add dest=FOLDER")
        return cls(
            stores,
            words["dest"],
            words.get("tag") or "latest",
            whole=found.whole,
            ignore_error=found.ignore_error,
        )


def words_of(text: str) -> tuple[str, dict[str, str]]:
    """Return the type and the other words of ``type=registry,ref=…``; a reference alone means an image."""
    if "=" not in text:
        return IMAGE, {"ref": text}
    words: dict[str, str] = {}
    for part in text.split(","):
        name, mark, value = part.partition("=")
        if not mark:
            raise InvalidArgument(f"{text!r} names no build cache: {part!r} is no name=value")
        words[name.strip().lower()] = value.strip()
    return words.pop("type", ""), words


def _reference(words: Mapping[str, str]) -> str:
    if not words.get("ref"):
        raise InvalidArgument("a build cache of type registry has no ref", hint="add ref=NAME")
    return str(Reference.parse(words["ref"]).tagged())
