import logging
import time

from celery.exceptions import TimeoutError as TaskTimeout
from celery.result import AsyncResult
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from orders import tasks
from orders.counts import orders_by_city
from orders.forms import OrderForm
from orders.models import Order

log = logging.getLogger(__name__)

SHOWN = 20
DEMONSTRATIONS = {"flaky": tasks.flaky, "doomed": tasks.doomed}


@require_GET
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    return page(request, OrderForm())


@require_POST
def create_order(request: HttpRequest) -> HttpResponse:
    form = OrderForm(request.POST)
    if not form.is_valid():
        return page(request, form, status=400)
    order = form.save()
    # Sent when this request's transaction commits: the worker will find the order.
    tasks.send_confirmation.delay(order.pk)
    log.info("order.created", extra={"order": order.pk, "city": order.city})
    messages.success(request, f"Thank you! Order № {order.pk} is on its way to {order.city}.")
    return redirect("index")


# Outside a transaction: in one the task would be sent only when we had stopped waiting for it.
@transaction.non_atomic_requests
@require_GET
@never_cache
def stats(request: HttpRequest) -> JsonResponse:
    """How many orders, by city; from the cache, or computed by a worker while we wait."""
    started = time.perf_counter()
    counts, served = orders_by_city.peek(), "hit"
    if counts is None:
        try:
            counts, served = tasks.count_orders.delay().get(timeout=15), "miss"
        except TaskTimeout:
            return JsonResponse({"error": "no worker has counted in time"}, status=503)
    took = round((time.perf_counter() - started) * 1000, 1)
    return JsonResponse({**counts, "served": served, "took_ms": took})


@require_POST
def start_task(request: HttpRequest, name: str) -> HttpResponse:
    if name not in DEMONSTRATIONS:
        return JsonResponse({"error": f"no such task: {name}"}, status=404)
    return redirect("task", task_id=DEMONSTRATIONS[name].delay().id)


@require_GET
@never_cache
def task(request: HttpRequest, task_id: str) -> JsonResponse:
    """What became of a task: state, result or error with its traceback."""
    result = AsyncResult(task_id)
    state, value = result.state, result.result
    return JsonResponse(
        {
            "id": task_id,
            "name": result.name,
            "state": state,
            "retries": result.retries,
            "result": value if state == "SUCCESS" else None,
            "error": repr(value) if isinstance(value, Exception) else None,
            "traceback": result.traceback,
        }
    )


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Say that the site can work: the database answers."""
    Order.objects.exists()
    return HttpResponse("ok\n", content_type="text/plain")


def page(request: HttpRequest, form: OrderForm, *, status: int = 200) -> HttpResponse:
    orders = Order.objects.all()
    context = {
        "form": form,
        "orders": orders[:SHOWN],
        "total": orders.count(),
        "counts": orders_by_city.peek(),
    }
    return render(request, "orders/index.html", context, status=status)
