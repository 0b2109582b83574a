#!/usr/bin/env python3
"""Prove on the running shop what it is there to show, and print what was measured.

    python report.py --yurt yurt --project .        on Yurt
    python report.py --engine-cli docker            the same with `docker compose`

The shop must be up (``yurt compose up --build --wait``). The report orders things, stops and starts services,
takes the project down and up again, and leaves it running. Exit status 0 when everything holds.
Standard library only.
"""

import argparse
import http.client
import http.cookiejar
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Failed(Exception):
    """A claim does not hold; the text says what was seen instead."""


def claim(holds: object, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


@dataclass
class Answer:
    status: int
    headers: Any
    text: str
    url: str
    seconds: float

    def json(self) -> Any:
        return json.loads(self.text)


class Site:
    """The shop as a browser sees it: cookies and CSRF tokens included."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> Answer:
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.url, path)))

    def post(self, path: str, **form: str) -> Answer:
        """Send a form; the answer is that of the page it redirects to, the time that of both."""
        if not self.token():
            self.get("/")
        form["csrfmiddlewaretoken"] = self.token()
        body = urllib.parse.urlencode(form).encode()
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.url, path), data=body))

    def token(self) -> str:
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken"), "")

    def _open(self, request: urllib.request.Request) -> Answer:
        started = time.perf_counter()
        try:
            with self.opener.open(request, timeout=30) as response:
                text = response.read().decode()
                return Answer(
                    response.status, response.headers, text, response.url, time.perf_counter() - started
                )
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
                return Answer(error.code, error.headers, text, error.url or "", time.perf_counter() - started)


@dataclass
class Engine:
    """The command line that runs the project."""

    program: str
    project: Path
    name: str  # of the compose project, and of its image

    def run(self, *arguments: str, timeout: float = 300) -> str:
        """Return what the command printed; one that fails is a claim that does not hold."""
        command = [self.program, *arguments]
        done = subprocess.run(
            command, cwd=self.project, capture_output=True, text=True, timeout=timeout, check=False
        )
        said = (done.stderr or done.stdout).strip()[-600:]
        claim(done.returncode == 0, f"`{' '.join(command)}` ended with {done.returncode}: {said}")
        return done.stdout

    def compose(self, *arguments: str, timeout: float = 300) -> str:
        return self.run("compose", *arguments, timeout=timeout)

    def records(self, *arguments: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the JSON records in the project's logs, each with its service."""
        return list(json_records(self.compose("logs", "--no-color", *arguments)))


def json_records(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in text.splitlines():
        prefix, bar, rest = line.partition("|")
        start = rest.find("{")
        if not bar or start < 0:
            continue
        try:
            record = json.loads(rest[start:])
        except ValueError:
            continue
        if isinstance(record, dict) and "message" in record:
            yield prefix.strip().rsplit("-", 1)[0], record


@dataclass
class Report:
    """Rows of: what holds, and what was measured; one failure does not keep the others from being tried."""

    failures: int = 0
    started: float = field(default_factory=time.perf_counter)

    def section(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    @contextmanager
    def row(self, title: str) -> Iterator[list[str]]:
        facts: list[str] = []
        try:
            yield facts
        except (
            Failed,
            OSError,
            http.client.HTTPException,
            subprocess.SubprocessError,
            LookupError,
            ValueError,
        ) as error:
            self.failures += 1
            reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            print(f"  ✗ {title:<48} {reason}", flush=True)
        else:
            print(f"  ✓ {title:<48} {' · '.join(facts)}", flush=True)


def wait_for(what: str, look: Callable[[], Any], *, seconds: float = 30, every: float = 0.1) -> Any:
    """Return the first true thing that *look* finds."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        claim(time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s")
        time.sleep(every)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def order(site: Site, item: str, city: str = "Karakol") -> Answer:
    answer = site.post("/orders/", item=item, quantity="2", city=city, email="aigul@example.org")
    claim(answer.status == 200 and item in answer.text, f"ordering answered {answer.status}")
    return answer


def site_rows(report: Report, site: Site, marker: str) -> None:
    report.section("1  The site: page, static files, PostgreSQL")
    with report.row("the page answers on the published port") as facts:
        page = site.get("/")
        claim(page.status == 200 and "Yurt Shop" in page.text, f"{site.url} answered {page.status}")
        facts += [site.url, ms(page.seconds)]
    with report.row("static files come, with hashed names") as facts:
        style = re.search(r'href="(/static/[^"]+\.css)"', site.get("/").text)
        claim(style, "the page names no stylesheet")
        answer = site.get(style[1]) if style else page
        claim(answer.status == 200 and "text/css" in answer.headers["Content-Type"], f"{answer.status}")
        facts += [answer.url.rpartition("/")[2], f"{len(answer.text):,} bytes"]
    with report.row("an order is kept and shown") as facts:
        facts += [f"“{marker}”", ms(order(site, marker).seconds)]


def mail_rows(report: Report, site: Site, mails: str) -> None:
    report.section("2  E-mail from a Celery task")
    with report.row("the request returns before the mail is there") as facts:
        item = f"Saddle {time.time_ns() % 10**9}"
        number = None

        def received() -> list[dict[str, Any]]:
            with urllib.request.urlopen(mails, timeout=10) as response:
                return [mail for mail in json.load(response) if item in mail["text"]]

        started = time.perf_counter()
        answer = order(site, item)
        claim(not received(), "the mail was there already: was it sent by the request itself?")
        (mail,) = wait_for("the mail", received)
        arrived = time.perf_counter() - started
        number = re.search(r"№ (\d+)", mail["subject"])
        claim(number and mail["to"] == ["aigul@example.org"], f"an odd mail: {mail}")
        facts += [f"request {ms(answer.seconds)}", f"mail after {ms(arrived)}", mail["subject"]]
    with report.row("the order is marked as mailed, once") as facts:
        wait_for("the mark", lambda: re.search(rf"{item}.*?badge sent", site.get("/").text, re.DOTALL))
        claim(len(received()) == 1, f"{len(received())} mails")
        facts.append("1 mail")


def counts_rows(report: Report, site: Site) -> None:
    report.section("3  Counts computed in the background, read from the cache")
    first = None
    with report.row("a new order invalidates, the next read computes") as facts:
        site.get("/stats/")
        # Beat may compute between the order and the read: then order again.
        for _ in range(3):
            before = site.get("/stats/").json()
            order(site, "Felt carpet", "Osh")
            first = site.get("/stats/")
            if first.json()["served"] == "miss":
                break
        counts = first.json()
        claim(counts["served"] == "miss", "three times in a row the first read after an order was a hit")
        claim(counts["cities"]["Osh"] == before["cities"].get("Osh", 0) + 1, f"stale: {before} → {counts}")
        facts += [ms(first.seconds), f"by {counts['computed_by']}"]
    with report.row("the next read is a hit, and faster") as facts:
        claim(first, "there was no first read to compare with")
        again = min((site.get("/stats/") for _ in range(5)), key=lambda answer: answer.seconds)
        claim(again.json()["served"] == "hit", f"served: {again.json()['served']}")
        claim(again.json()["computed_at"] == counts["computed_at"], "it was computed again")
        claim(again.seconds * 5 < first.seconds, f"{ms(again.seconds)} after {ms(first.seconds)}")
        facts += [ms(again.seconds), f"{first.seconds / again.seconds:,.0f} times faster"]
        facts.append(", ".join(f"{city} {count}" for city, count in counts["cities"].items()))


def run_task(site: Site, name: str) -> tuple[dict[str, Any], str]:
    """Start a task; return what became of it, and the id of the request that sent it."""
    started = site.post(f"/tasks/{name}/start/")
    claim(started.status == 200, f"starting {name} answered {started.status}")

    def ended() -> dict[str, Any] | None:
        state = site.get(started.url).json()
        return state if state["state"] in ("SUCCESS", "FAILURE") else None

    return wait_for(f"the end of {name}", ended, seconds=40), started.url


def task_rows(report: Report, site: Site) -> None:
    report.section("4  Tasks that fail")
    with report.row("fails twice, is retried, succeeds") as facts:
        flaky, _ = run_task(site, "flaky")
        claim(flaky["state"] == "SUCCESS", f"{flaky['state']}: {flaky['error']}")
        times = flaky["result"]["attempts"]
        delays = [later - sooner for sooner, later in zip(times, times[1:], strict=False)]
        claim(len(times) == 3 and delays[1] > delays[0], f"delays {delays}")
        facts += ["3 attempts", "delays " + ", ".join(f"{delay:.2f} s" for delay in delays)]
    with report.row("always fails: failed, with its traceback kept") as facts:
        doomed, _ = run_task(site, "doomed")
        claim(doomed["state"] == "FAILURE", doomed["state"])
        claim(
            "KeyError" in doomed["traceback"] and 'prices["saddle"]' in doomed["traceback"],
            doomed["traceback"],
        )
        facts += [
            doomed["error"],
            f"{len(doomed['traceback'].splitlines())} lines",
            f"{doomed['retries']} retries",
        ]


def log_rows(report: Report, site: Site, engine: Engine, *, levels: bool) -> None:
    report.section("5  Logs")
    with report.row("all services, JSON with the four fields") as facts:
        records = wait_for("records", lambda: engine.records())
        services = {service for service, _ in records}
        claim({"web", "worker", "beat", "mail"} <= services, f"JSON only from {', '.join(sorted(services))}")
        raw = engine.compose("logs", "--no-color", "--tail", "5", "redis", "postgres")
        claim(
            re.search(r"^redis", raw, re.M) and re.search(r"^postgres", raw, re.M),
            "redis or postgres is silent",
        )
        for service, record in records:
            claim({"time", "level", "logger", "message"} <= record.keys(), f"{service}: {record}")
            datetime.fromisoformat(record["time"])
        facts += [f"{len(records):,} records", ", ".join([*sorted(services), "postgres", "redis"])]
    with report.row("one id joins the request to its task") as facts:
        answer = site.post("/orders/", item="Honey", quantity="1", city="Talas", email="aigul@example.org")
        claim(answer.status == 200, f"ordering answered {answer.status}")

        def joined() -> tuple[str, set[str]] | None:
            records = engine.records("--tail", "200", "web", "worker", "mail")
            created = [record for _, record in records if record["message"] == "order.created"]
            wanted = created[-1]["request_id"] if created else None
            names = {service for service, record in records if record.get("request_id") == wanted}
            return (wanted, names) if wanted and {"web", "worker", "mail"} <= names else None

        request_id, names = wait_for("the id in web, worker and mail", joined, every=0.5)
        facts += [request_id, " → ".join(name for name in ("web", "worker", "mail") if name in names)]
    if not levels:
        return
    with report.row("--level warning shows warnings and worse only") as facts:
        records = engine.records("--level", "warning")
        claim(records, "nothing at all")
        mild = [record for _, record in records if LEVELS.index(record["level"]) < LEVELS.index("WARNING")]
        claim(not mild, f"also shows {mild[:1]}")
        facts.append(f"{len(records):,} records")


def command_rows(report: Report, site: Site, engine: Engine) -> None:
    report.section("6  Commands")
    with report.row("compose ps, ps, images list it") as facts:
        listed = engine.compose("ps")
        for service in ("web", "worker", "beat", "redis", "postgres", "mail"):
            claim(re.search(rf"{engine.name}-{service}-1\b", listed), f"compose ps lacks {service}")
        web = f"{engine.name}-web-1"
        claim(web in engine.run("ps"), f"ps lacks {web}")
        claim(re.search(rf"^{engine.name}\b", engine.run("images"), re.M), f"images lacks {engine.name}")
        facts.append("6 services")
    with report.row("exec runs a command in a container") as facts:
        facts.append(engine.compose("exec", "-T", "web", "python3", "--version").strip())
        facts.append(engine.run("exec", f"{engine.name}-web-1", "date", "+%Z %z").strip())
    with report.row("stop and start: away, then back") as facts:
        started = time.perf_counter()
        engine.run("stop", f"{engine.name}-web-1")
        stopped = time.perf_counter() - started
        try:
            site.get("/")
        except OSError:
            pass
        else:
            raise Failed("the page still answers")
        engine.run("start", f"{engine.name}-web-1")
        wait_for("the page", lambda: is_up(site), seconds=60)
        facts += [f"stop {ms(stopped)}", f"back after {ms(time.perf_counter() - started - stopped)}"]


def survival_rows(report: Report, site: Site, engine: Engine, marker: str) -> None:
    report.section("1  … and after `compose down` and `up`")
    with report.row("the order survives in its named volume") as facts:
        total = re.search(r"<small>([\d,]+)</small>", site.get("/").text)
        started = time.perf_counter()
        engine.compose("down")
        down = time.perf_counter() - started
        claim(not is_up(site), "the page still answers after down")
        engine.compose("up", "--wait")
        up = time.perf_counter() - started - down
        again = re.search(r"<small>([\d,]+)</small>", site.get("/").text)
        claim(
            total and again and total[1] == again[1],
            f"{total and total[1]} orders before, {again and again[1]} now",
        )
        claim(marker in site.get("/").text, "the order is gone")
        facts += [f"{total and total[1]} orders", f"down {down:.1f} s", f"up {up:.1f} s"]


def is_up(site: Site) -> bool:
    try:
        return site.get("/").status == 200
    except (OSError, http.client.HTTPException):
        return False


def env_value(project: Path, name: str, default: str) -> str:
    """Return what Compose takes for *name*: the environment's value, else the one in .env."""
    if name in os.environ:
        return os.environ[name]
    found = re.search(rf"^{name}=(.*)$", (project / ".env").read_text(), re.M)
    return found[1].strip() if found else default


def project_name(project: Path) -> str:
    found = re.search(r"^name: *(\S+)", (project / "compose.yaml").read_text(), re.M)
    return found[1] if found else project.name


def main() -> int:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Prove the running shop.")
    parser.add_argument("--yurt", default="yurt", help="the yurt program")
    parser.add_argument("--engine-cli", help="another command line with the same verbs, such as docker")
    parser.add_argument("--project", type=Path, default=here, help="the folder of compose.yaml")
    chosen = parser.parse_args()
    program = chosen.engine_cli or (str(Path(chosen.yurt).absolute()) if "/" in chosen.yurt else chosen.yurt)
    engine = Engine(program, chosen.project, project_name(chosen.project))
    site = Site(f"http://localhost:{env_value(chosen.project, 'WEB_PORT', '8000')}/")
    mails = f"http://localhost:{env_value(chosen.project, 'MAIL_PORT', '8025')}/"
    marker = f"Shyrdak {time.time_ns() % 10**9}"

    print(f"The shop at {site.url}, run by {Path(program).name}")
    report = Report()
    site_rows(report, site, marker)
    mail_rows(report, site, mails)
    counts_rows(report, site)
    task_rows(report, site)
    log_rows(report, site, engine, levels=chosen.engine_cli is None)
    command_rows(report, site, engine)
    survival_rows(report, site, engine, marker)
    seconds = time.perf_counter() - report.started
    outcome = "all of it holds" if not report.failures else f"{report.failures} of it do not hold"
    print(f"\n{outcome}, in {seconds:.0f} s")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
