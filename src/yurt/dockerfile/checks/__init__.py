"""Checks: what in a Dockerfile works but is likely a mistake, after BuildKit's documented rules. Pure.

Facts: https://docs.docker.com/reference/build-checks/. Rules, lines and exceptions are BuildKit's, compared with it
case by case (tests/integration/test_build_checks.py); the sentences are ours.
"""
