"""What the environment says of the network: as httpx reads it, and told by the variable's name.

The variables are handed in, and a value is told only where it can hold no password.
"""

import re
from collections.abc import Iterator, Mapping

import httpx

from s2v_detect.wire._setup import CERTIFICATES, Fault, Network, address_of

_SCHEMES = ("http", "https", "socks5", "socks5h")
"""Of the proxies that httpx takes."""
_INSTALL_SOCKS = 'pip install "httpx[socks]"'
NOT_READ = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What other tools read whom to trust from."""
_KEY_LOG = "SSLKEYLOGFILE"


def network_of(environ: Mapping[str, str]) -> Network:
    """Return what the environment says of the network, as httpx reads it."""
    proxies: dict[str, str] = {}
    for variable, value in _proxies(environ):
        url = _proxy_url(value)
        if isinstance(url, httpx.URL):
            host, port = url.raw_host.decode("ascii"), url.port or _port_of(url.scheme)
            proxies.setdefault(address_of(host, port), variable)
    named = (name for name in (*CERTIFICATES, *NOT_READ) if environ.get(name))
    return Network(proxies, next(named, ""))


def proxies_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name proxies, each with the address without user and password.

    Example:
        >>> proxies_in({"HTTPS_PROXY": "http://me:pw@proxy.example:3128"})
        {'HTTPS_PROXY': 'proxy.example:3128'}
    """
    return {variable: address for address, variable in network_of(environ).proxies.items()}


def fault_of_proxies(environ: Mapping[str, str]) -> Fault | None:
    """Return the fault of the first variable that should name a proxy, and names none."""
    for variable, value in _proxies(environ):
        url = _proxy_url(value)
        if isinstance(url, str):
            return Fault(
                f"{variable} names no proxy: {url}",
                f"Correct {variable}, for example http://host:port, or unset it",
            )
    return None


def fault_of_opening(error: Exception, environ: Mapping[str, str]) -> Fault:
    """Return why there can be no HTTP client in this environment."""
    if isinstance(error, ImportError):
        named = (name for name, value in _proxies(environ) if value.lower().startswith("socks"))
        variable = next(named, "the system")
        return Fault(
            f"{variable} names a SOCKS proxy, and the package for that is not installed",
            f"Install it ({_INSTALL_SOCKS}), or give another proxy",
        )
    if isinstance(error, OSError):
        return _no_certificates(error, environ)
    no_proxy = next((name for name in environ if name.lower() == "no_proxy"), "")
    if no_proxy:
        return Fault(
            f"{no_proxy} can't be read ({error})",
            "Give names and addresses with commas between them, without brackets or ports",
        )
    return Fault(
        f"the settings of the network can't be read ({type(error).__name__})",
        "Correct the proxy of this system",
    )


def _no_certificates(error: OSError, environ: Mapping[str, str]) -> Fault:
    why = getattr(error, "reason", None) or error.strerror
    if error.filename and error.filename == environ.get(_KEY_LOG):
        return Fault(
            f"the file that {_KEY_LOG} names can't be written: {error.filename} ({why})",
            f"Correct {_KEY_LOG}, or unset it",
        )
    variable = next((name for name in CERTIFICATES if environ.get(name)), "")
    if not variable:
        return Fault(
            f"the certificates of this Python can't be read ({why})",
            "Install the package certifi anew",
        )
    return Fault(
        f"the certificates that {variable} names can't be read: {environ[variable]} ({why})",
        f"Correct {variable}, or unset it",
    )


def _proxies(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that httpx takes proxies from, and what they hold.

    As `urllib.request.getproxies` reads them: the name in lower case comes first, though empty.
    """
    if "*" in (each.strip() for each in _value(environ, "no_proxy")[1].split(",")):
        return
    for scheme in ("https", "http", "all"):
        variable, value = _value(environ, f"{scheme}_proxy")
        if value:
            yield variable, value


def _value(environ: Mapping[str, str], lower: str) -> tuple[str, str]:
    name = lower if lower in environ else next((n for n in environ if n.lower() == lower), lower)
    return name, environ.get(name, "")


def _proxy_url(value: str) -> httpx.URL | str:
    """Return the URL of a proxy, or why it is none. What it may hold of a password is not told."""
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL:
        return "its address can't be read"
    if url.scheme not in _SCHEMES:
        scheme = url.scheme if re.fullmatch(r"[a-z0-9+.-]{1,20}", url.scheme) else ""
        return f"the scheme {scheme!r} is none of {', '.join(_SCHEMES)}"
    if not url.host or "%" in url.host:  # what can stand in no name is encoded
        return "there is no host in it"
    if url.port is not None and not 0 < url.port < 2**16:
        return f"there is no port {url.port}"
    return url


def _port_of(scheme: str) -> int:
    return {"http": 80, "https": 443}.get(scheme, 1080)
