"""Name resolution that hands out checked addresses only; the connection goes to exactly these (no DNS rebinding)."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from crawler.safety import Network, check_address, parse_networks
from qalqan.errors import UnsafeAddressError

# Host name -> why its addresses were refused; Twisted itself can only say "no results for hostname lookup".
_refused: dict[str, str] = {}


def refusal_of(host: str) -> str | None:
    """Why the last look-up of the host gave no address, if it was refused."""
    return _refused.get(host.lower())


@implementer(IHostnameResolver)
class CheckedResolver:
    """Scrapy's TWISTED_DNS_RESOLVER; reads QALQAN_ALLOWED_NETWORKS and QALQAN_REPLAY_PREFIX from its settings."""

    def __init__(self, reactor: Any, allowed: Sequence[Network], replay_host: str | None) -> None:
        self._reactor = reactor
        self._original = reactor.nameResolver
        self._allowed = allowed
        self._replay_host = replay_host

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> "CheckedResolver":
        prefix = crawler.settings.get("QALQAN_REPLAY_PREFIX")
        allowed = parse_networks(crawler.settings.getlist("QALQAN_ALLOWED_NETWORKS"))
        return cls(reactor, allowed, urlsplit(prefix).hostname if prefix else None)

    def install_on_reactor(self) -> None:
        self._reactor.installNameResolver(self)

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        is_replay = hostName.lower() == self._replay_host
        receiver = resolutionReceiver if is_replay else _Checked(resolutionReceiver, hostName.lower(), self._allowed)
        return self._original.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _Checked:
    def __init__(self, receiver: Any, host: str, allowed: Sequence[Network]) -> None:
        self._receiver = receiver
        self._host = host
        self._allowed = allowed

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        _refused.pop(self._host, None)
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:
        try:
            check_address(ip_address(address.host.partition("%")[0]), self._allowed)
        except UnsafeAddressError as error:
            _refused[self._host] = f"{self._host} leads into a forbidden network: {error}"
        else:
            self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        self._receiver.resolutionComplete()
