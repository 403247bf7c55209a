"""The HTTP client of an environment: its proxies and certificates, or why there can be none."""

import os
from typing import Any

import httpx

from s2v_detect._redaction import bare
from s2v_detect.errors import unreached
from s2v_detect.wire._environment import fault_of_opening, fault_of_proxies

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def own_http(host: str, **options: Any) -> httpx.AsyncClient:
    """Return an HTTP client for a host, as this environment would have it.

    Raises `ConfigurationError` where the environment's proxies or certificates are none.
    """
    trust_env = reads_environment(host)
    fault = fault_of_proxies(os.environ) if trust_env else None
    if fault:
        raise unreached(fault.what, fault.do, lasts=True)
    try:
        # No bound on connections: httpx's pool scans all of them for every one that waits in
        # it, so nothing may ever wait there. The line and max_in_flight are the bounds.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(limits=limits, trust_env=trust_env, **options)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        fault = fault_of_opening(error, os.environ)
        raise unreached(fault.what, fault.do, lasts=True) from bare(error)


def reads_environment(host: str) -> bool:
    """Whether the environment's settings count for a host.

    A proxy of the environment can't reach what listens on this machine alone.
    """
    return host not in THIS_MACHINE
