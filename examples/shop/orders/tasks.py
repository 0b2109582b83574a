"""What happens in the background."""

import logging
import smtplib
import time

from celery import shared_task
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone
from yurt.logs import request_id
from yurt.tasks import Backoff

from orders.counts import Counts, orders_by_city
from orders.models import Order

log = logging.getLogger(__name__)


@shared_task(backoff=Backoff(on=(smtplib.SMTPException, OSError), attempts=8))
def send_confirmation(order_id: int) -> str:
    """Mail that an order has been taken. Sent again by a retry or a redelivery, it mails once.

    (But for a worker that dies between the mail server's "OK" and our commit: then it mails twice, never zero times.)
    """
    with transaction.atomic():
        # Locked: a redelivered twin of this task waits here, and then finds the mail sent.
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.mailed_at:
            return "sent before"
        EmailMessage(
            subject=f"Your order № {order.pk}",
            body=f"We have your order of {order.quantity} × {order.item} to {order.city}.\nThank you!\n",
            to=[order.email],
            headers={"X-Request-ID": request_id() or ""},
        ).send()
        order.mailed_at = timezone.now()
        order.save(update_fields=["mailed_at"])
    log.info("order.mailed", extra={"order": order.pk})
    return "sent"


@shared_task
def count_orders() -> Counts:
    """Return the counts, computing them if they are not cached; beat calls it to keep them warm."""
    return orders_by_city()


@shared_task(bind=True, backoff=Backoff(on=(ConnectionError,), attempts=5, first=0.5))
def flaky(self) -> dict[str, object]:
    """Fail twice, then succeed; returns when each attempt was made."""
    attempts = [*cache.get(f"flaky:{self.request.id}", []), time.time()]
    cache.set(f"flaky:{self.request.id}", attempts, timeout=3600)
    if len(attempts) < 3:
        log.warning("flaky.failed", extra={"attempt": len(attempts)})
        raise ConnectionError(f"the supplier did not answer (attempt {len(attempts)})")
    return {"attempts": attempts}


@shared_task(backoff=Backoff(on=(LookupError,), attempts=3, first=0.2))
def doomed() -> None:
    """Fail each time; what is kept is the last attempt's traceback."""
    prices: dict[str, int] = {}
    prices["saddle"]
