"""The zygote: a warm Python that forks a shim for each container and exec, in about a millisecond.

Run as ``python -I -S zygote.py FD``, where FD is one end of a SOCK_SEQPACKET pair. Each packet is a JSON request
(see `monitor.Request`) with the descriptors that go with it: the listening socket first, then waiting attach
streams. The zygote answers nothing: who asked is already connected to the listening socket, and sees it close
if the fork fails. It ends when the other end of the pair closes; its shims stay.
"""

import gc
import os
import signal
import socket
import sys
import traceback

if __name__ == "__main__":
    # -I keeps every folder of ours out of the path: this one import needs it, nothing else may use it.
    _ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, _ROOT)
    from yurt.shim import monitor, sealed

    sys.path.remove(_ROOT)
else:
    from yurt.shim import monitor, sealed

MAX_PACKET = 1 << 18
MAX_DESCRIPTORS = 64


def serve(control: socket.socket) -> None:
    """Fork a shim for each request, until the other end closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the shims
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # the shims share these objects: no collector may touch their pages
    gc.disable()
    # To a user's namespaces AppArmor may have admitted the runtime by its path, which a copy does not have.
    programs = sealed.SealedPrograms() if _is_hosts_root() else None
    while True:
        packet, descriptors, _flags, _address = socket.recv_fds(control, MAX_PACKET, MAX_DESCRIPTORS)
        if not packet:
            return
        try:
            request = monitor.Request.decode(packet)
            program = programs.descriptor(request.argv[0]) if programs is not None else -1
            pid = os.fork()
        except (OSError, ValueError, TypeError, LookupError):
            traceback.print_exc()
            pid = -1
        if pid == 0:
            control.close()
            _become_shim(request, descriptors, program)
        for descriptor in descriptors:
            os.close(descriptor)


def _is_hosts_root() -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        sees_all_users = [int(field) for field in file.read().split()] == [0, 0, 2**32 - 1]
    return os.geteuid() == 0 and sees_all_users


def _become_shim(request: monitor.Request, descriptors: list[int], program: int) -> None:
    """Be a shim for the rest of this process."""
    status = 1
    try:
        os.setsid()
        monitor.run(request, descriptors, program)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)  # never back into the zygote's loop


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
