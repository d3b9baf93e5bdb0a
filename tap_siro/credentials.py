"""Validation of tokens, secrets and the addresses that they go to. Text added by copying is removed.

No message holds a token or a secret.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTES = ("''", '""', "``")
_PLACEHOLDER = re.compile(r"\$\{.*\}|<.*>|\{\{.*\}\}")
"""A text in the place of a token, as examples and templates have it, or a variable that nobody has filled in."""


def read_credentials(config: Mapping[str, Any], errors: list[str]) -> dict[str, str]:
    """Return the organization token, or a client's id and secret; blank if not set.

    Args:
        config: The settings by name.
        errors: Gets what is wrong with them, a sentence each.
    """
    found = dict.fromkeys(("api_token", "client_id", "client_secret"), "")
    client = [name for name in ("client_id", "client_secret") if str(config.get(name) or "").strip()]
    if client and str(config.get("api_token") or "").strip():
        errors.append(
            f"`api_token` and `{client[0]}` are both set. Remove one: the token, or the client's id and secret."
        )
    elif client:
        for name, other in (("client_id", "client_secret"), ("client_secret", "client_id")):
            if name in client:
                found[name] = read_secret(config[name], name, errors)
            else:
                errors.append(f"`{name}` is not set, but `{other}` is. Set both.")
    elif config.get("api_token") is None:
        errors.append(
            "`api_token` is not set. Put an organization token from Siro's admin pages into `.env` as "
            "`TAP_SIRO_API_TOKEN`, or set `client_id` and `client_secret`. Without Meltano, `.env` is read only with "
            "`--config ENV`."
        )
    else:
        found["api_token"] = read_secret(config["api_token"], "api_token", errors)
    return found


def read_oauth_app(config: Mapping[str, Any], errors: list[str]) -> dict[str, str]:
    """Return an OAuth app's id, its secret and its user's id; blank if not set. All three belong together.

    Args:
        config: The settings by name.
        errors: Gets what is wrong with them, a sentence each.
    """
    names = ("oauth_client_id", "oauth_client_secret", "oauth_user_id")
    given = [name for name in names if str(config.get(name) or "").strip()]
    errors += [
        f"`{name}` is not set, but `{given[0]}` is. Set all three." for name in names if given and name not in given
    ]
    return {name: read_secret(config[name], name, errors) if name in given else "" for name in names}


def read_secret(value: object, name: str, errors: list[str]) -> str:
    """Return a token or secret without text that was copied with it: spaces, `Bearer`, a pair of quotes."""
    secret = str(value).strip()
    while secret[:1] + secret[-1:] in _QUOTES and len(secret) > 1:
        secret = secret[1:-1].strip()
    if secret[:7].lower() == "bearer ":
        secret = secret[7:].strip()
    where = f"Set it to the value from Siro's admin pages, in `.env` as `TAP_SIRO_{name.upper()}`."
    if not secret or secret.lower() == "bearer":
        errors.append(f"`{name}` is blank. {where}")
    elif _PLACEHOLDER.fullmatch(secret):
        errors.append(f"`{name}` is still a placeholder. {where}")
    elif not secret.isascii() or not secret.isprintable() or any(sign in secret for sign in " '\"`"):
        errors.append(
            f"`{name}` contains spaces, quotes or characters that no token has. Copy it again, without quotes."
        )
    return secret


def read_url(value: object, name: str, default: str, errors: list[str]) -> str:
    """Return an address to which secrets may be sent: https, except for this machine."""
    url = str(value or default).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
        # What `requests` and a look-up of the name would fail on later: an empty or a long part, odd characters.
        sent = requests.Request("GET", url).prepare().url or ""
        (urlsplit(sent).hostname or "").encode("idna")
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"}:
        errors.append(f"`{name}` is not a web address. An example is {default}.")
    elif parts.username is not None or parts.query or parts.fragment:
        errors.append(f"`{name}` must not contain a user name, a query or a fragment. Remove it.")
    elif parts.scheme == "http" and not is_loopback(host):
        errors.append(f"`{name}` must be https. Over http, the network could read the token and the recordings.")
    return url


def read_agent(value: object, errors: list[str]) -> str:
    """Return a User-Agent header."""
    agent = str(value)
    if not agent.isascii() or not agent.isprintable():
        errors.append("`user_agent` contains characters that a header cannot carry. Use printable ASCII characters.")
    return agent.strip()


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
