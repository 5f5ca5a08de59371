"""How a server is reached: what the environment says of proxies and certificates, and for which servers it holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftops.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_SETTINGS = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE")


def is_here(url: str) -> bool:
    """Whether *url* leads to this machine: a proxy is for what is outside, what listens here is asked directly."""
    return _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None


def bad_settings(environ: Mapping[str, str]) -> Diagnostic:
    """What to say where the client library refuses the settings: its own words may hold a proxy's password."""
    names = (name for each in _SETTINGS for name in (each, each.lower()) if environ.get(name))
    return Diagnostic(
        code="network-settings",
        summary="the settings of the network cannot be used",
        why="these variables say how servers are reached: " + ", ".join(f"`{name}`" for name in names),
        fix="correct them, or unset them: a proxy is an address such as `http://proxy:3128` (SOCKS is not supported), "
        "a certificate an existing file",
    )
