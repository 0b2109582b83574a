"""The networks that exist: durable, found by name, id or the beginning of an id."""

import msgspec

from yurt.engine.networks.model import Network
from yurt.engine.networks.ports import Documents
from yurt.errors import Conflict, Forbidden, InvalidArgument, NotFound

KIND = "network"
DEFAULT = "bridge"  # the network of containers that name none
PREDEFINED = (DEFAULT, "host", "none")


class NetworkStore:
    """All networks, in memory and in the document store."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._networks: dict[str, Network] = {}

    def load(self) -> None:
        for identifier, body in self._documents.all(KIND):
            self._networks[identifier] = msgspec.json.decode(body, type=Network)

    def all(self) -> tuple[Network, ...]:
        """Return every network, oldest first."""
        return tuple(sorted(self._networks.values(), key=lambda network: network.created_ns))

    def bridges(self) -> tuple[Network, ...]:
        return tuple(network for network in self.all() if network.bridge)

    def get(self, ref: str) -> Network:
        """Return the network whose name, id or unique beginning of an id is *ref*."""
        name = DEFAULT if ref == "default" else ref
        for network in self._networks.values():
            if network.name == name:
                return network
        if ref in self._networks:
            return self._networks[ref]
        found = [n for n in self._networks.values() if ref and n.id.startswith(ref)]
        if len(found) > 1:
            raise Conflict(f"network {ref} is ambiguous ({len(found)} matches found based on ID prefix)")
        if not found:
            raise NotFound(f"network {ref} not found", hint="yurt network ls shows those that exist")
        return found[0]

    def check_new(self, name: str) -> None:
        """Raise when no network may be made with this name."""
        if name in {*PREDEFINED, "default"}:
            raise Forbidden(f"operation is not permitted on predefined {name} network")
        if not name.strip() or "/" in name or not name.isprintable():
            raise InvalidArgument(
                f"invalid network name {name!r}",
                hint="a name has something beside blanks, and no slash or control character",
            )
        if any(network.name == name for network in self._networks.values()):
            raise Conflict(f"network with name {name} already exists")

    def add(self, network: Network) -> None:
        """Afterwards *network* exists, and still does after a crash."""
        self._documents.put(KIND, network.id, msgspec.json.encode(network))
        self._networks[network.id] = network

    def sync(self) -> None:
        """Afterwards no power cut can take away what was changed here before the call. For a thread."""
        self._documents.sync()

    def remove(self, network: Network) -> None:
        self._documents.delete(KIND, network.id)
        self._networks.pop(network.id, None)
