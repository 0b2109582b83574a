"""The Celery application: tasks are sent on commit, and nothing is lost (`yurt.tasks` says how)."""

import os

from yurt.tasks.alive import keep_alive_file
from yurt.tasks.django import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# What the worker's health check looks at.
keep_alive_file("/tmp/worker.alive")
