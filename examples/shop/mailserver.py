"""A mail server for development: accepts every mail, slowly, keeps it, and shows all as JSON.

SMTP on port 1025; http://…:8025/ answers with the list, oldest first. Python has a module ``mailbox``
already, hence the name.
"""

import asyncio
import email
import email.policy
import json
import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from yurt import logs

log = logging.getLogger("mailserver")


class Mailbox:
    """The mails, one JSON object a line; a folder of its own, so that it can be a volume."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "mails.jsonl"
        self.file.touch()

    def add(self, envelope: Envelope) -> dict[str, object]:
        content = (
            envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        )
        message = email.message_from_bytes(content, policy=email.policy.default)
        body = message.get_body(("plain",))
        mail = {
            "received": datetime.now(UTC).isoformat(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "request_id": message["X-Request-ID"],
            "text": body.get_content() if body else "",
        }
        with self.file.open("a") as file:
            file.write(json.dumps(mail, ensure_ascii=False) + "\n")
        return mail

    def all(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


class Receive:
    """What aiosmtpd calls for each mail."""

    def __init__(self, mailbox: Mailbox, seconds: float) -> None:
        self.mailbox = mailbox
        self.seconds = seconds

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        # A real server takes its time too; this is why mail is sent in the background.
        await asyncio.sleep(self.seconds)
        mail = self.mailbox.add(envelope)
        log.info("mail.received", extra={"to": mail["to"], "request_id": mail["request_id"]})
        return "250 OK"


async def show(mailbox: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer any HTTP request with all mails."""
    try:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=5)
        body = json.dumps(mailbox.all(), ensure_ascii=False, indent=1).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        log.debug("http.aborted")
    finally:
        writer.close()


async def main() -> None:
    mailbox = Mailbox(Path(os.environ.get("MAILBOX", "/mail")))
    receive = Receive(mailbox, float(os.environ.get("MAIL_SECONDS", "0")))
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SMTP(receive, hostname="mail", enable_SMTPUTF8=True), "0.0.0.0", 1025
    )
    http = await asyncio.start_server(lambda reader, writer: show(mailbox, reader, writer), "0.0.0.0", 8025)
    log.info("mail.ready", extra={"smtp": 1025, "http": 8025, "kept": len(mailbox.all())})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    smtp.close()
    http.close()


if __name__ == "__main__":
    logs.configure(logs.from_env(os.environ))
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    asyncio.run(main())
