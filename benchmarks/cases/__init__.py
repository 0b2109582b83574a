"""What is compared, by what it costs: each module brings its own containers and images and takes them away."""

import sys


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)
