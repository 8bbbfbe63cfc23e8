"""Which addresses a crawler may enter: never private, loopback, link-local, CGNAT, multicast or disguised ones."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from qalqan.errors import ConfigurationError, UnsafeAddressError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CARRIER_NAT = ipaddress.IPv4Network("100.64.0.0/10")
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# `2130706433`, `0x7f.1`, `017700000001`: what the system's resolver takes for an IPv4 address.
_NUMERIC_HOST = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", re.I)


def parse_networks(networks: Sequence[str]) -> tuple[Network, ...]:
    """Raises ConfigurationError for what is no CIDR network."""
    try:
        return tuple(ipaddress.ip_network(network) for network in networks)
    except ValueError as error:
        raise ConfigurationError(f"setting crawler.allowed_networks: {error}; write it as 10.1.0.0/16") from error


def check_address(address: Address, allowed: Sequence[Network]) -> None:
    """Raises UnsafeAddressError unless the address is public or lies in an allowed network."""
    if any(address.version == network.version and address in network for network in allowed):
        return
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        check_address(embedded, allowed)
        return
    is_public = (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not (address.version == 4 and address in _CARRIER_NAT)
    )
    if not is_public:
        raise UnsafeAddressError(
            f"{address} is not a public address; to crawl it, add its network to crawler.allowed_networks"
        )


def _embedded_ipv4(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped, 6to4, Teredo, NAT64 or compatible IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    is_compatible = address in _IPV4_COMPATIBLE and int(address) > 1
    if is_compatible or any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def check_url(url: str, allowed: Sequence[Network]) -> None:
    """Raises UnsafeAddressError for any scheme but http and https, and for a literal address that is not public.

    Names are checked where they are resolved (`crawler.resolver`).
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise UnsafeAddressError(f"{url}: not a web address ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UnsafeAddressError(f"{url}: only http and https addresses with a host are fetched")
    address = literal_address(host)
    if address is not None:
        check_address(address, allowed)


def literal_address(host: str) -> Address | None:
    """The address that a host spells out in any way the system would understand; None for a name."""
    bare = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    if _NUMERIC_HOST.fullmatch(bare.rstrip(".")):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(bare.rstrip(".")))
        except OSError:
            return None
    return None
