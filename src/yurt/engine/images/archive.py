"""Archives of images: what `save` writes and `load` reads.

An archive is at once an OCI image layout (``oci-layout``, ``index.json``, ``blobs/``) and Docker's own form
(``manifest.json`` that names configurations, layers and tags, and ``repositories``), and so loads wherever either does. Docker's
older form, one folder a layer, is read as well.
"""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from yurt.engine.images.model import Image
from yurt.errors import InvalidArgument
from yurt.oci import tar
from yurt.oci.config import ImageConfig
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.layer import path_parts
from yurt.oci.manifest import LAYOUT, MAX_BYTES, REF_NAME, Index, Manifest, descriptor_to, is_index
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.storage.compression import decompress, kind_of
from yurt.storage.content import ContentStore
from yurt.storage.gc import Lease

CONTAINERD_NAME = "io.containerd.image.name"
_LAYER_TYPES = {
    "plain": MediaType.OCI_LAYER,
    "gzip": MediaType.OCI_LAYER_GZIP,
    "zstd": MediaType.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class Found:
    """An image of an archive whose blobs are all stored, but not unpacked yet."""

    config: ImageConfig
    config_blob: Descriptor
    manifest: Manifest
    manifest_bytes: bytes
    references: tuple[Reference, ...] = ()


@dataclass(slots=True)
class Contents:
    """The files of an archive, stored as blobs: path → digest."""

    files: dict[str, Digest] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def digest(self, path: str) -> Digest:
        """Return the digest of the file at *path*, links followed; InvalidArgument when the archive has none."""
        for _ in range(40):
            if path in self.files:
                return self.files[path]
            if path not in self.links:
                break
            path = self.links[path]
        raise InvalidArgument(f"broken archive: {path} is missing")


def read_archive(chunks: Iterable[bytes], content: ContentStore, lease: Lease) -> Contents:
    """Store every file of the archive as a blob, kept by *lease*. To be called in a thread."""
    found = Contents()
    reader = tar.TarReader(decompress(chunks))
    for entry in reader:
        path = "/".join(path_parts(entry.name, what="archive entry"))
        if entry.kind == tar.REGULAR:
            algorithm = "sha512" if path.startswith("blobs/sha512/") else "sha256"
            with content.writer(algorithm=algorithm) as writer:
                for piece in reader.data():
                    writer.write(piece)
                lease.add(writer.digest)
                found.files[path] = writer.commit()
        elif entry.kind in {tar.SYMLINK, tar.HARDLINK}:
            base = posixpath.dirname(path) if entry.kind == tar.SYMLINK else ""
            target = posixpath.normpath(posixpath.join(base, entry.link))
            found.links[path] = "/".join(path_parts(target, what="archive link to"))
    return found


def images_of(contents: Contents, content: ContentStore, platform: Platform) -> list[Found]:
    """Return the images that the stored archive describes; InvalidArgument when it is no image archive or a part is missing."""
    if "manifest.json" in contents.files:
        return [
            _docker_image(item, contents, content) for item in _json(contents, content, "manifest.json", list)
        ]
    if "index.json" in contents.files:
        return _layout_images(contents, content, platform)
    raise InvalidArgument(
        "invalid image archive: it has neither manifest.json nor index.json",
        hint="a file system archive is taken by `yurt import`",
    )


def _docker_image(item: Any, contents: Contents, content: ContentStore) -> Found:
    if not isinstance(item, dict) or not isinstance(item.get("Config"), str):
        raise InvalidArgument("broken archive: manifest.json names no configuration")
    config_digest = contents.digest(_path(item["Config"]))
    config_bytes = content.read(config_digest)
    config = ImageConfig.from_bytes(config_bytes)
    paths = item.get("Layers") or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise InvalidArgument("broken archive: manifest.json names no layers")
    layers = []
    for path in paths:
        digest = contents.digest(_path(path))
        head = next(content.chunks(digest), b"")
        media_type = _LAYER_TYPES.get(kind_of(head), MediaType.OCI_LAYER)
        layers.append(Descriptor(media_type, digest, content.size(digest)))
    manifest = Manifest(
        MediaType.OCI_MANIFEST,
        Descriptor(MediaType.OCI_CONFIG, config_digest, len(config_bytes)),
        tuple(layers),
    )
    names = item.get("RepoTags") or []
    references = tuple(Reference.parse(name) for name in names if isinstance(name, str))
    return _checked(Found(config, manifest.config, manifest, manifest.to_bytes(), references))


def _layout_images(contents: Contents, content: ContentStore, platform: Platform) -> list[Found]:
    index = Index.from_bytes(content.read(contents.digest("index.json")))
    by_digest: dict[str, list[Reference]] = {}
    for entry in index.entries:
        names = by_digest.setdefault(entry.descriptor.digest, [])
        name = entry.descriptor.annotations.get(CONTAINERD_NAME) or _full_name(entry.descriptor)
        if name:
            names.append(Reference.parse(name).tagged())
    found = []
    for digest, references in by_digest.items():
        data = _manifest_bytes(contents, content, Digest(digest), platform)
        manifest = Manifest.from_bytes(data)
        for blob in (manifest.config, *manifest.layers):
            _blob(contents, content, blob)
        config = ImageConfig.from_bytes(content.read(manifest.config.digest))
        found.append(_checked(Found(config, manifest.config, manifest, data, tuple(references))))
    if not found:
        raise InvalidArgument("broken archive: index.json names no image")
    return found


def _full_name(descriptor: Descriptor) -> str:
    """Return the name in the layout's annotation unless it is only a tag, which names no repository."""
    name = descriptor.annotations.get(REF_NAME, "")
    return name if ":" in name or "/" in name else ""


def _manifest_bytes(contents: Contents, content: ContentStore, digest: Digest, platform: Platform) -> bytes:
    data = _blob(contents, content, Descriptor("", digest, -1))
    return (
        _manifest_bytes(contents, content, Index.from_bytes(data).choose(platform).digest, platform)
        if is_index("", data)
        else data
    )


def _blob(contents: Contents, content: ContentStore, blob: Descriptor) -> bytes:
    """Return a blob of the layout when it is small; check in any case that it is there and is what it says."""
    path = f"blobs/{blob.digest.algorithm}/{blob.digest.hex}"
    stored = contents.digest(path)
    if stored != blob.digest:
        raise InvalidArgument(f"broken archive: {path} has other content than its name says: {stored}")
    return content.read(stored) if content.size(stored) <= MAX_BYTES else b""


def _checked(found: Found) -> Found:
    if len(found.config.diff_ids) != len(found.manifest.layers):
        raise InvalidArgument(
            f"broken archive: the configuration of {found.config_blob.digest.short} has"
            f" {len(found.config.diff_ids)} layers, the archive {len(found.manifest.layers)}"
        )
    return found


def _json(contents: Contents, content: ContentStore, path: str, shape: type) -> Any:
    digest = contents.digest(path)
    if content.size(digest) > MAX_BYTES:
        raise InvalidArgument(f"broken archive: {path} is larger than {MAX_BYTES} bytes")
    try:
        document = msgspec.json.decode(content.read(digest))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"broken archive: {path} is not JSON: {error}") from error
    if not isinstance(document, shape):
        raise InvalidArgument(f"broken archive: {path} has the wrong shape")
    return document


def _path(text: str) -> str:
    return "/".join(path_parts(text, what="archive path"))


def write_archive(
    images: Sequence[tuple[Image, Sequence[Reference]]], content: ContentStore
) -> Iterator[bytes]:
    """Yield an archive of *images*, each with the references to save it under. Reads the disk: for a thread."""
    blobs: dict[Digest, None] = {}
    docker, entries = [], []
    for image, references in images:
        blobs |= dict.fromkeys(
            [image.id, image.manifest, *(layer.descriptor.digest for layer in image.layers)]
        )
        docker.append(
            {
                "Config": _blob_path(image.id),
                "RepoTags": [str(reference) for reference in references],
                "Layers": [_blob_path(layer.descriptor.digest) for layer in image.layers],
            }
        )
        data = content.read(image.manifest)
        blob = Descriptor(Manifest.from_bytes(data).media_type, image.manifest, len(data))
        for reference in references:
            names = {CONTAINERD_NAME: reference.canonical, REF_NAME: reference.tag}
            entries.append(descriptor_to(replace(blob, annotations=names)))
        if not references:
            entries.append(descriptor_to(blob))
    index = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": entries}
    files = [
        ("index.json", msgspec.json.encode(index)),
        ("manifest.json", msgspec.json.encode(docker)),
        ("oci-layout", LAYOUT),
    ]
    if named := _repositories(images):
        files.append(("repositories", msgspec.json.encode(named, order="sorted")))
    for folder in ("blobs/", "blobs/sha256/"):
        yield tar.header(tar.Entry(folder, tar.DIRECTORY, 0o755))
    for digest in sorted(blobs):
        yield from _file(_blob_path(digest), content.size(digest), content.chunks(digest))
    for name, data in files:
        yield from _file(name, len(data), [data])
    yield tar.END


def _repositories(images: Iterable[tuple[Image, Sequence[Reference]]]) -> dict[str, dict[str, str]]:
    """Return the file of Docker's older form, which some tools still read: repository → tag → topmost layer."""
    found: dict[str, dict[str, str]] = {}
    for image, references in images:
        for reference in references:
            if image.layers:
                top = image.layers[-1].descriptor.digest
                found.setdefault(reference.familiar_name, {})[reference.tag] = top.hex
    return found


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _file(name: str, size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield tar.header(tar.Entry(name, size=size))
    yield from chunks
    yield tar.padding(size)
