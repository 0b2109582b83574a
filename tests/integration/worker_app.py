"""The Celery application of test_tasks_worker.py; a worker imports it with its places in the environment."""

import logging
import os
import signal
import time
from pathlib import Path

from yurt import logs
from yurt.tasks import Backoff, Celery
from yurt.tasks.alive import keep_alive_file
from yurt.tasks.broker import Broker

FOLDER = Path(os.environ["YURT_TEST_FOLDER"])
BROKER = Broker(Path(os.environ["YURT_TEST_BROKER"]))

logs.configure(logs.LogSettings(format="json"))
log = logging.getLogger("worker_app")

app = Celery("worker_app", broker=BROKER.broker_url, backend=BROKER.result_backend)
app.conf.broker_transport_options = {
    "visibility_timeout": int(os.environ.get("YURT_TEST_VISIBILITY", "3600"))
}
keep_alive_file(FOLDER / "alive")


@app.task
def wait_for(name: str) -> int:
    """Note that an attempt began, then wait until the file *name* is there."""
    with (FOLDER / "attempts").open("a") as attempts:
        attempts.write(f"{os.getpid()}\n")
    while not (FOLDER / name).exists():
        time.sleep(0.02)
    return os.getpid()


@app.task
def kill_self_once() -> str:
    """Die as by the kernel's out-of-memory killer, but succeed when run again."""
    marker = FOLDER / "died"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@app.task(bind=True, backoff=Backoff(on=(ConnectionError,), attempts=4, first=0.2))
def flaky(self, failures: int) -> int:
    with (FOLDER / "times").open("a") as times:
        times.write(f"{time.time()}\n")
    if self.request.retries < failures:
        raise ConnectionError(f"attempt {self.request.retries + 1}")
    return int(self.request.retries)


@app.task
def outer() -> str:
    log.info("outer.ran")
    return str(inner.delay().id)


@app.task(bind=True, backoff=Backoff(on=(ConnectionError,), attempts=2, first=0.05))
def inner(self) -> None:
    log.info("inner.ran", extra={"attempt": self.request.retries})
    if self.request.retries == 0:
        raise ConnectionError
