"""The engine's hold on the host's kernel: its interfaces, packet rules, and the threads that ask for changes."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from yurt.engine.networks.bridges import Bridges
from yurt.engine.networks.firewall import Firewall
from yurt.engine.networks.model import Network
from yurt.engine.networks.namespaces import HostLinks
from yurt.engine.networks.pool import NamespacePool
from yurt.engine.networks.ports import HostPorts
from yurt.errors import Internal
from yurt.linux.nftables import Nftables

log = structlog.get_logger()

T = TypeVar("T")

THREADS = 4
WATCH = 15.0  # seconds between looks at other programs' forward chains


class Host:
    """Open from construction to `close`.

    Packet rules change in half a millisecond and are called directly. Interfaces wait for a lock of the kernel
    that is sometimes held for tens of milliseconds, so whatever touches them goes through `in_thread`.
    """

    def __init__(self, tag: str, ports: HostPorts) -> None:
        """*ports*: whose ports containers' are published on."""
        with contextlib.ExitStack() as undo:
            self.links = HostLinks()
            undo.callback(self.links.close)
            self._nft = Nftables()
            undo.pop_all()
        self.ports = ports
        self.rules = Firewall(self._nft, tag)
        self.bridges = Bridges(self.links, tag)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="yurt-network")
        self.pool = NamespacePool(self._executor)
        self._watching: asyncio.Task[None] | None = None

    async def in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

    def watch(self, networks: Callable[[], tuple[Network, ...]]) -> None:
        """From now on keep the bridges' traffic allowed, also when Docker or a firewall starts after us."""
        self._watching = asyncio.create_task(self._keep_forwarding(networks), name="network-forwarding")

    async def _keep_forwarding(self, networks: Callable[[], tuple[Network, ...]]) -> None:
        while True:
            await asyncio.sleep(WATCH)
            try:
                await self.in_thread(self.rules.allow_forwarding, networks())
            except Internal as error:  # another program is changing its rules at this moment
                log.warning("network.forwarding_not_allowed", error=error.message)

    async def close(self) -> None:
        """Let go of all; what was made in the kernel stays."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self.ports.close()
        await self.pool.close()
        self._executor.shutdown(wait=True)
        self.links.close()
        self._nft.close()
