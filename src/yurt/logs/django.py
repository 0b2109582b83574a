"""Django's side: ``LOGGING`` and a middleware that gives each request an id and one record.

In settings::

    LOGGING = yurt.logs.django.dict_config(from_env(os.environ))
    MIDDLEWARE = ["yurt.logs.django.RequestMiddleware", ...]   # first
    YURT_LOGS_QUIET_PATHS = ["/health/"]                       # these log at DEBUG
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from yurt.logs import config
from yurt.logs.context import REQUEST_ID, TRACE_ID, accepted_request_id, bind, bound, new_request_id, trace_id

HEADER = "X-Request-ID"

log = logging.getLogger("yurt.request")

Respond = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def dict_config(settings: config.LogSettings | None = None) -> dict[str, Any]:
    """Return the value of ``LOGGING``: Django's and gunicorn's own handlers give way to the root's.

    With Django's defaults an error would be logged twice, and at DEBUG=False the rest not at all. Gunicorn's
    access log is quiet: the middleware's record says the same, with the request's id.
    """
    made = config.dict_config(settings)
    made["loggers"].setdefault("gunicorn.access", {}).setdefault("level", "WARNING")
    for name in ("django", "django.server", "gunicorn.error", "gunicorn.access"):
        made["loggers"].setdefault(name, {}).update({"handlers": [], "propagate": True})
    return made


class RequestMiddleware:
    """Bind the request's id (and user) to all records made while it is served, and answer with the id.

    The id is the client's ``X-Request-ID`` when that is harmless, else the trace id of ``traceparent``, else
    a new one. Tasks sent meanwhile carry it along (`yurt.tasks`). One record ``request.finished`` a request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response
        self.quiet = tuple(getattr(django_settings, "YURT_LOGS_QUIET_PATHS", ()))
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._serve_async(request)
        with bound(**identity(request)):
            started = time.perf_counter()
            return self._finish(request, cast("HttpResponseBase", self.get_response(request)), started)

    async def _serve_async(self, request: HttpRequest) -> HttpResponseBase:
        with bound(**identity(request)):
            started = time.perf_counter()
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
            return self._finish(request, response, started)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Bind the user, when there is a session to read it from; an anonymous request costs no query."""
        session: Any = getattr(request, "session", None)
        if session is None or django_settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return
        user = session.get("_auth_user_id")
        if user is not None:
            bind(user=str(user))

    def _finish(self, request: HttpRequest, response: HttpResponseBase, started: float) -> HttpResponseBase:
        response.headers[HEADER] = cast("Any", request).id
        level = logging.DEBUG if request.path.startswith(self.quiet) else logging.INFO
        log.log(
            level,
            "request.finished",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "duration_ms": round((time.perf_counter() - started) * 1000, 1),
            },
        )
        return response


def identity(request: HttpRequest) -> dict[str, str]:
    """Give *request* its id, as ``request.id``, and return the fields to bind."""
    trace = trace_id(request.headers.get("traceparent"))
    chosen = accepted_request_id(request.headers.get(HEADER)) or trace or new_request_id()
    cast("Any", request).id = chosen
    return {REQUEST_ID: chosen} | ({TRACE_ID: trace} if trace else {})
