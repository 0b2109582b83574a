"""Flows of datagrams are forgotten by the port that they were sent to, and by nothing else."""

import os
import socket
from typing import TYPE_CHECKING

import pytest

from yurt.linux import netlink
from yurt.linux.conntrack import forget_udp_flows
from yurt.linux.namespace import run_in_new_network
from yurt.linux.netlink import Rtnetlink
from yurt.linux.nftables import Nftables

if TYPE_CHECKING:
    from tests.conftest import Needs


def test_no_ports_are_no_work() -> None:
    """Nothing is asked of the kernel, so no privilege is needed."""
    assert forget_udp_flows(()) == 0


@pytest.mark.root
def test_only_the_flows_of_a_port_are_forgotten(needs: "Needs") -> None:
    """Two flows exist; the one to the port goes, once."""
    needs.root()

    def work() -> list[int]:
        with Rtnetlink() as routes:
            routes.apply([netlink.set_up(1)])
        nft = Nftables()  # a rule that looks at connections turns tracking on in this namespace
        nft.run(
            "add table ip t\nadd chain ip t c { type filter hook output priority 0; }\n"
            "add rule ip t c ct state invalid drop\n"
        )
        nft.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for port in (5001, 5002):
                sending.sendto(b"x", ("127.0.0.1", port))
        return [forget_udp_flows({port}) for port in (4999, 5001, 5001, 5002)]

    descriptor, counts = run_in_new_network(work)
    os.close(descriptor)
    assert counts == [0, 1, 0, 1]
