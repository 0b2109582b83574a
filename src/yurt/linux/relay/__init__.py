"""The relay: a process that holds published ports which no packet rule can lead to a container, and copies bytes.

ports     the ports, by their owners: listening here, connecting there
process   the relay of root's engine, for ports of IPv6
client    that process as the engine sees it

The relay of a normal user's engine is in its keeper (`yurt.linux.rootless`), for all ports: their network is the host's.
"""
