"""Networks: made, joined and left by containers, removed when nobody is in them."""

from tests.soak.belief import Belief
from tests.soak.operations.containers import in_status
from tests.soak.worker import Worker, must_refuse
from tests.soak.world import GONE, THERE, Container, Network

from yurt.errors import Conflict, Forbidden

MANY = 4
KNOWN = ("created", "running", "exited")


def create(worker: Worker) -> None:
    if len(worker.world.networks) >= MANY:
        return
    one = Network(worker.a_name("n"), Belief(GONE))
    with one.lock:
        worker.world.networks.append(one)
        with worker.doing("network-create", one, (one.status, THERE)):
            body = {"Name": one.name, "Labels": {"soak": "kept"}, "EnableIPv6": worker.dice.random() < 0.3}
            worker.ask("POST", "/networks/create", json=body)


def connect(worker: Worker) -> None:
    with worker.taken(_there(worker)) as network:
        if network:
            with worker.taken(_member(worker, network, joined=False)) as one:
                if one:
                    now = next(iter(one.networks.possible))
                    network.users.add(one)
                    with worker.doing(f"connect {network.name}", one, (one.networks, now | {network.name})):
                        body = {"Container": one.ref}
                        worker.ask("POST", f"/networks/{network.name}/connect", json=body)


def disconnect(worker: Worker) -> None:
    with worker.taken(_there(worker)) as network:
        if network:
            with worker.taken(_member(worker, network, joined=True, least=2)) as one:
                if one:
                    now = next(iter(one.networks.possible))
                    with worker.doing(
                        f"disconnect {network.name}", one, (one.networks, now - {network.name})
                    ):
                        body = {"Container": one.ref}
                        worker.ask("POST", f"/networks/{network.name}/disconnect", json=body)
                    if one.networks.is_surely(now - {network.name}):
                        network.users.discard(one)


def _member(
    worker: Worker, network: Network, *, joined: bool, least: int = 1, statuses: tuple[str, ...] = KNOWN
) -> Container | None:
    return in_status(
        worker,
        *statuses,
        suits=lambda it: (
            it.networks.is_certain
            and "none" not in (now := next(iter(it.networks.possible)))
            and (network.name in now) is joined
            and len(now) >= least
        ),
    )


def remove(worker: Worker) -> None:
    """One without members goes."""
    with worker.taken(_there(worker)) as one:
        if one and not one.users:
            with worker.doing("network-remove", one, (one.status, GONE)):
                worker.ask("DELETE", f"/networks/{one.name}")
            if one.status.is_surely(GONE):
                worker.world.networks.remove(one)


def remove_used(worker: Worker) -> None:
    """One with a running member stays."""
    with worker.taken(_there(worker)) as one:
        if one:
            with worker.taken(_member(worker, one, joined=True, statuses=("running",))) as member:
                if member:
                    with worker.doing("network-refuse-remove", one, through=member):
                        must_refuse(
                            lambda: worker.ask("DELETE", f"/networks/{one.name}"),
                            Forbidden,
                            Conflict,
                            otherwise=f"{one.name} was removed and is used by {member.name}",
                        )


def _there(worker: Worker) -> Network | None:
    return worker.world.take(worker.dice, worker.world.networks, lambda it: it.status.is_surely(THERE))
