"""How many orders, by city: dear to compute, cheap to read."""

import os
import socket
import time
from typing import TypedDict

from django.db.models import Count
from django.utils import timezone
from yurt.cache.django import cached, model_tag

from orders.models import Order

# Five cities are counted at once; this stands for the joins and the years of data of a real shop.
COST = float(os.environ.get("COUNT_SECONDS", "0.7"))


class Counts(TypedDict):
    total: int
    cities: dict[str, int]
    computed_at: str
    computed_by: str


@cached(ttl="10m", tags=[model_tag("orders.Order")])
def orders_by_city() -> Counts:
    time.sleep(COST)
    rows = Order.objects.order_by("city").values_list("city").annotate(count=Count("pk"))
    cities = dict(rows)
    return {
        "total": sum(cities.values()),
        "cities": cities,
        "computed_at": timezone.localtime().isoformat(),
        "computed_by": f"{socket.gethostname()}, process {os.getpid()}",
    }
