"""How gunicorn serves the site. Requests are logged by the application's middleware, with their ids."""

import os

from yurt.logs import from_env
from yurt.logs.django import dict_config

bind = "0.0.0.0:8000"
workers = 2
threads = 4
timeout = 30
# Containers are given no large /tmp on every host; the heartbeat file wants memory.
worker_tmp_dir = "/dev/shm"
logconfig_dict = dict_config(from_env(os.environ))
