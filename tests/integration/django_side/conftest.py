"""A Django project in this process: SQLite in a file, the cache on a Valkey server of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings

from yurt.tasks import broker

FOLDER = Path(tempfile.mkdtemp(prefix="yurt-django-"))
SERVER = broker.Broker(FOLDER / "broker")

if not settings.configured:
    settings.configure(
        SECRET_KEY="for tests",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="django_side_urls",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FOLDER / "db.sqlite3")}},
        CACHES={
            "default": {
                "BACKEND": "yurt.cache.django.RedisCache",
                "LOCATION": SERVER.cache_url(),
                "KEY_PREFIX": "shop",
            },
            "strict": {
                "BACKEND": "yurt.cache.django.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
                "OPTIONS": {"strict": True},
            },
            "down": {"BACKEND": "yurt.cache.django.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"},
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        YURT_LOGS_QUIET_PATHS=["/health/"],
        USE_TZ=True,
    )
    django.setup()


@pytest.fixture(scope="session")
def valkey() -> Iterator[broker.Broker]:
    yield broker.ensure(SERVER.directory)
    broker.stop(SERVER.directory)


@pytest.fixture(scope="session")
def database() -> Iterator[None]:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    yield
    connections.close_all()
