"""How a client says who it is to a registry: credentials, challenges and tokens. Values only, no requests here.

RFC 7235 for the challenge; the token protocol is the distribution project's (``Bearer realm, service, scope``).
"""

import base64
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from yurt.errors import Forbidden

_PARAMETER = re.compile(r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)\s*')


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials for one registry, as clients hand them over. All empty: anonymous.

    An *identity_token* is exchanged for tokens in place of a password; a *registry_token* is one itself.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server_address: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def is_anonymous(self) -> bool:
        return not (self.username or self.identity_token or self.registry_token)


ANONYMOUS = Auth()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants to see: *scheme* is ``bearer`` or ``basic``."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(headers: Iterable[str]) -> Challenge | None:
    """Return the challenge to answer among ``WWW-Authenticate`` headers: bearer, else basic, else None."""
    found: dict[str, Challenge] = {}
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        parameters = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(rest)}
        found.setdefault(
            scheme.lower(),
            Challenge(
                scheme.lower(),
                parameters.get("realm", ""),
                parameters.get("service", ""),
                parameters.get("scope", ""),
            ),
        )
    bearer = found.get("bearer")
    return bearer if bearer is not None and bearer.realm else found.get("basic")


def repository_scope(repository: str, *actions: str) -> str:
    """Return the scope of a token: ``repository:library/debian:pull``."""
    return f"repository:{repository}:{','.join(actions)}"


def token_url(challenge: Challenge, scopes: Iterable[str], *, account: str = "") -> str:
    """Return the address to GET a token from."""
    parameters = [("service", challenge.service)] if challenge.service else []
    parameters += [("scope", scope) for scope in scopes]
    if account:
        parameters.append(("account", account))
    separator = "&" if urlsplit(challenge.realm).query else "?"
    return challenge.realm + separator + urlencode(parameters)


def check_realm(realm: str, registry_url: str) -> None:
    """Raise Forbidden for a realm that credentials must not be sent to.

    A registry chooses where its clients log in, so a hostile one could point them at a service of their own
    network, or have a password sent in the clear.
    """
    there, here = urlsplit(realm), urlsplit(registry_url)
    if there.netloc == here.netloc and there.scheme == here.scheme:
        return
    if there.scheme != "https" and here.scheme == "https":
        raise Forbidden(
            f"refusing to log in at {realm}: {here.netloc} sends its clients to an unencrypted address"
        )
    try:
        address = ipaddress.ip_address(there.hostname or "")
    except ValueError:
        return
    if not address.is_global and there.hostname != here.hostname:
        raise Forbidden(
            f"refusing to log in at {realm}: {here.netloc} sends its clients to a private address"
        )
