"""nftables through its own library, in this process: a change costs half a millisecond, a process ten times that.

Commands are text in nft(8)'s language; a call is one transaction: all of it or nothing. The library is loaded
at the first use, so that importing this costs nothing and a host without it is told so by name.
"""

import ctypes
import json
import os
import threading
from typing import Any

from yurt.errors import Internal, Unavailable

LIBRARY = "libnftables.so.1"
NFT_CTX_DEFAULT = 0
NFT_CTX_OUTPUT_HANDLE = 1 << 3
NFT_CTX_OUTPUT_JSON = 1 << 4
# The library waits for the kernel with select(2). A socket with a higher number makes it abort the whole process.
HIGHEST_DESCRIPTOR = 1023


class Nftables:
    """A context of libnftables for the network namespace of the thread that made it. Safe to use from any thread."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Unavailable(
                f"cannot load {LIBRARY}, which containers' networks need",
                hint="apt-get install libnftables1",
            ) from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
        library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for read in (library.nft_ctx_get_output_buffer, library.nft_ctx_get_error_buffer):
            read.restype = ctypes.c_char_p
            read.argtypes = [ctypes.c_void_p]
        _check_descriptors()
        self._library = library
        self._lock = threading.Lock()
        self._context = library.nft_ctx_new(NFT_CTX_DEFAULT)
        if not self._context:
            raise Internal("cannot make a context of libnftables")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def close(self) -> None:
        """Free the context; afterwards this object must not be used."""
        with self._lock:
            if self._context:
                self._library.nft_ctx_free(self._context)
                self._context = None

    def run(self, commands: str) -> None:
        """Do *commands*, all or none. A refusal raises Internal with nft's own words and the commands."""
        self._run(commands, flags=0)

    def listing(self, command: str) -> list[dict[str, Any]]:
        """Return the objects that a ``list …`` *command* shows, with their handles (libnftables-json(5)).

        Empty when what it names does not exist.
        """
        try:
            output = self._run(command, flags=NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE)
        except Internal as error:
            if "No such file or directory" in error.message:
                return []
            raise
        return list(json.loads(output)["nftables"]) if output else []

    def _run(self, commands: str, *, flags: int) -> str:
        with self._lock:
            self._library.nft_ctx_output_set_flags(self._context, flags)
            result = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            # Reading either buffer also empties it.
            output = self._library.nft_ctx_get_output_buffer(self._context) or b""
            errors = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if result != 0:
            raise Internal(f"nft refused: {errors.decode(errors='replace').strip()}\n{commands.rstrip()}")
        return str(output.decode())


def _check_descriptors() -> None:
    """Raise Unavailable when the next descriptor, which will be the library's socket, has too high a number."""
    probe = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.close(probe)
    if probe > HIGHEST_DESCRIPTOR:
        raise Unavailable(
            f"cannot use libnftables: {probe} files are open, and it works with the first {HIGHEST_DESCRIPTOR} only",
            hint="restart the engine",
        )
