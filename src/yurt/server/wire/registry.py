"""``X-Registry-Auth`` and ``X-Registry-Config``: credentials in headers, base64url of JSON."""

import base64
import binascii

import msgspec

from yurt.api.types.system import AuthConfig
from yurt.distribution.auth import Auth
from yurt.errors import InvalidArgument


def auth(header: str | None) -> Auth | None:
    """Return the credentials of one registry; None when the header is absent, empty, or holds none.

    What cannot be read counts as absent, as in Docker: anonymous access is still worth a try.
    """
    try:
        config = msgspec.json.decode(_decoded(header), type=AuthConfig) if header else None
    except (InvalidArgument, msgspec.DecodeError):
        return None
    return unpacked(config) if config else None


def auths(header: str | None) -> dict[str, Auth]:
    """Return credentials by registry, as a build brings them."""
    if not header:
        return {}
    try:
        configs = msgspec.json.decode(_decoded(header), type=dict[str, AuthConfig])
    except msgspec.DecodeError as broken:
        raise InvalidArgument(f"invalid X-Registry-Config header: {broken}") from broken
    return {name: found for name, config in configs.items() if (found := unpacked(config))}


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as broken:
        raise InvalidArgument("invalid registry credentials: not base64url") from broken


def unpacked(config: AuthConfig) -> Auth | None:
    """Split ``auth`` (base64 of ``user:password``) into the fields it stands for; None when nobody is named."""
    username, password = config.username or "", config.password or ""
    if config.auth and not username:
        try:
            username, _, password = base64.b64decode(config.auth).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
    found = Auth(
        username=username,
        password=password,
        identity_token=config.identitytoken or "",
        registry_token=config.registrytoken or "",
        server_address=config.serveraddress or "",
    )
    return None if found.is_anonymous else found
