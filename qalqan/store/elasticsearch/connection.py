"""How Elasticsearch is reached: the store's URL read, credentials, TLS, and its errors in our words.

    https://host[:9200][,host...][/prefix][?refresh=true|wait_for|false]

The prefix begins the name of every index (default "qalqan"). Credentials never stand in the URL, which is shown in
messages: they come from `store.api_key`, `store.username` and `store.password`, or from the files beside them.
"""

import base64
import ipaddress
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, cast
from urllib.parse import parse_qsl

import elastic_transport
import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from pydantic import SecretStr

from qalqan.config import StoreSettings
from qalqan.errors import ConfigurationError, StoreError

Refresh = Literal["true", "wait_for", "false"]

_FORM = "https://host:9200/prefix, or https://host1:9200,host2:9200/prefix for several nodes"
_URL = re.compile(r"(?P<scheme>https?)://(?P<hosts>[^/?#]+)(/(?P<path>[^?#]*))?(\?(?P<query>[^#]*))?")
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_API_KEY = re.compile(r"[A-Za-z0-9+/_-]+=*")
_DEFAULT_PORT = 9200
_OLDEST_MAJOR = 8
_DETAIL_CHARACTERS = 300

_REMEDIES = {
    "cluster_block_exception": "the index or the cluster is closed for writing: see GET _cluster/health and the blocks "
    "in GET <index>/_settings, and take away what closed it",
    "index_not_found_exception": "an index or alias is missing: run `qalqan reindex --install`",
    "media_type_header_exception": "this server is no Elasticsearch 8 or 9: check the store's URL",
}
_REMEDIES_BY_STATUS = {
    401: "the credentials are not valid: check store.api_key, or store.username and store.password",
    403: "these credentials may not do this: give their role what docs/elasticsearch.md lists",
    404: "this is not there: check the prefix in the store's URL, then run `qalqan reindex --install`",
    406: "this server is no Elasticsearch 8 or 9: check the store's URL",
    413: "the request is larger than the server takes: raise http.max_content_length, and a proxy's limit before it",
    429: "the server has more to do than it can: wait and run the same again, or give it more memory or nodes",
    502: "the proxy before Elasticsearch does not reach it: check that Elasticsearch runs",
    503: "the cluster is not ready, nodes or a master are missing: see GET _cluster/health, then run the same again",
    504: "the proxy before Elasticsearch waited too long for it: run the same again, or raise the proxy's limit",
}
_DISK_IS_FULL = (
    "the server's disk is nearly full, so the index is closed for writing: free some space there; the block goes by "
    "itself once the disk is below its high watermark"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records lie. `name` is for messages: the URL, its defaults filled in, without its query."""

    prefix: str
    refresh: Refresh
    name: str


def connect(url: str, options: StoreSettings) -> tuple[Elasticsearch, Place]:
    """A client that never repeats a request by itself, and the place within the cluster. Sends nothing yet.

    Raises ConfigurationError for a URL, credentials or TLS settings that cannot work or would give a secret away.
    """
    scheme, hosts, place = _read_url(url)
    credentials = _credentials(options)
    if scheme == "http":
        if options.ca_certs or options.fingerprint:
            raise ConfigurationError(f"store {place.name}: store.ca_certs and store.fingerprint need an https:// URL")
        if credentials and not all(_is_loopback(host) for host, _ in hosts):
            raise ConfigurationError(
                f"store {place.name}: over http:// everybody on the way could read the credentials: use https://"
            )
    context = _tls_context(options) if scheme == "https" else None
    nodes = [
        NodeConfig(scheme, host, port, ssl_context=context, ssl_assert_fingerprint=options.fingerprint)
        for host, port in hosts
    ]
    client = Elasticsearch(
        nodes,
        node_class=_Node,
        request_timeout=options.timeout_s,
        max_retries=0,
        retry_on_timeout=False,
        http_compress=False,
        **credentials,
    )
    return client, place


def check_server(client: Elasticsearch, place: Place) -> None:
    """One request. Raises StoreError unless an Elasticsearch of version 8 or later answers and lets us in."""
    with translated(place.name):
        version = str(client.info()["version"]["number"])
    if int(version.split(".")[0]) < _OLDEST_MAJOR:
        raise StoreError(f"store {place.name}: this is Elasticsearch {version}; version 8 or 9 is needed")


@contextmanager
def translated(name: str) -> Iterator[None]:
    """The client's errors as StoreError that says what to do; `name` is the place's."""
    try:
        yield
    except UnsupportedProductError as error:
        raise StoreError(f"store {name}: this server is no Elasticsearch 8 or 9: check the store's URL") from error
    except ApiError as error:
        raise StoreError(f"store {name}: {_api_remedy(error)} ({_detail(error)})") from error
    except elastic_transport.TransportError as error:
        raise StoreError(f"store {name}: {_transport_remedy(error)} ({_one_line(str(error.message))})") from error


class _Node(Urllib3HttpNode):
    """TLS exactly as the context says, and the fingerprint of the server's own certificate.

    The library's node adds certifi's CAs to the ones given. Its fingerprint may be any certificate's of the chain,
    whose signatures it does not check: a stranger who sends the known certificate along with his own passes.
    """

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        if config.ssl_context is not None:
            self.pool = urllib3.HTTPSConnectionPool(
                config.host,
                config.port,
                timeout=urllib3.Timeout(total=config.request_timeout),
                maxsize=config.connections_per_node,
                block=True,
                ssl_context=config.ssl_context,
                assert_fingerprint=config.ssl_assert_fingerprint,
            )


class _Credentials(TypedDict, total=False):
    api_key: str
    basic_auth: str


def _read_url(url: str) -> tuple[str, list[tuple[str, int]], Place]:
    """Scheme, (host, port) of every node, place. No message repeats what could be a password."""
    if "@" in url:
        raise ConfigurationError(
            "the store's URL holds a user name or a password: take them out, and set store.username and "
            "store.password_file, or store.api_key_file, instead"
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ConfigurationError(f"the store's URL is no address of Elasticsearch: write {_FORM}")
    hosts = []
    for text in parts["hosts"].split(","):
        host = _HOST.fullmatch(text)
        if host is None or not 0 < int(host["port"] or _DEFAULT_PORT) < 65536:
            raise ConfigurationError(f"the store's URL has a host or port that cannot be: write {_FORM}")
        hosts.append((host["host"].strip("[]"), int(host["port"] or _DEFAULT_PORT)))
    if len(set(hosts)) < len(hosts):
        raise ConfigurationError("the store's URL names the same host and port twice: name each node once")
    prefix = (parts["path"] or "").strip("/") or "qalqan"
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"the store's URL has the prefix {prefix!r}: take up to 100 lower-case letters, digits, - and _, "
            "beginning with a letter or a digit"
        )
    addresses = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)
    return parts["scheme"], hosts, Place(prefix, _refresh(parts["query"]), f"{parts['scheme']}://{addresses}/{prefix}")


def _refresh(query: str | None) -> Refresh:
    """When a write shows in a search. Default: the write returns once it does."""
    if not query:
        return "wait_for"
    parameters = parse_qsl(query, keep_blank_values=True)
    if [name for name, _ in parameters] != ["refresh"] or parameters[0][1] not in ("true", "wait_for", "false"):
        raise ConfigurationError("the store's URL takes ?refresh=true, wait_for or false, and no other parameter")
    return cast(Refresh, parameters[0][1])


def _credentials(options: StoreSettings) -> _Credentials:
    api_key = _secret("store.api_key", options.api_key, options.api_key_file)
    if api_key is not None:
        if not _API_KEY.fullmatch(api_key):
            raise ConfigurationError(
                "store.api_key is no API key: take the value `encoded` that Elasticsearch shows when it makes the key"
            )
        return {"api_key": api_key}
    password = _secret("store.password", options.password, options.password_file)
    if options.username is not None and password is not None:
        # The library itself knows no letters beyond ASCII.
        return {"basic_auth": base64.b64encode(f"{options.username}:{password}".encode()).decode()}
    return {}


def _secret(setting: str, value: SecretStr | None, path: Path | None) -> str | None:
    """The setting's value or the file's content without the line's end."""
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise ConfigurationError(f"{setting}_file: {path} cannot be read: {reason}") from None
        if not text:
            raise ConfigurationError(f"{setting}_file: {path} is empty")
        return text
    return value.get_secret_value() if value is not None else None


def _tls_context(options: StoreSettings) -> ssl.SSLContext:
    """Trusts the CAs of `store.ca_certs` alone, or without it the system's; with a fingerprint, that is all."""
    try:
        context = ssl.create_default_context(cafile=options.ca_certs)
    except OSError as error:  # ssl.SSLError is one, too
        raise ConfigurationError(
            f"store.ca_certs: {options.ca_certs} holds no CA certificates in PEM that can be read: "
            f"{error.strerror or error}"
        ) from error
    if options.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _api_remedy(error: ApiError) -> str:
    kind, reason = _cause(error)
    if error.status_code == 400 and "plain HTTP" in str(error.body):
        return "this server wants a secure connection: write https:// in the store's URL"
    if "watermark" in reason or "read-only-allow-delete" in reason:
        return _DISK_IS_FULL
    if kind == "cluster_block_exception" and error.status_code == 503:
        return _REMEDIES_BY_STATUS[503]
    return _REMEDIES.get(kind) or _REMEDIES_BY_STATUS.get(error.status_code, "Elasticsearch refused")


def _transport_remedy(error: elastic_transport.TransportError) -> str:
    if isinstance(error, elastic_transport.TlsError):
        if "ingerprint" in str(error.message):
            return "the server's certificate is not the one of store.fingerprint: if it was renewed, set the new one"
        if "CERTIFICATE_VERIFY_FAILED" in str(error.message):
            return "the server's certificate is not trusted: check store.ca_certs and the host name in the store's URL"
        return "no secure connection came about: check that the server speaks TLS 1.2 or later at this port"
    if isinstance(error, elastic_transport.ConnectionTimeout):
        return "no answer in time: check the server's load, or raise store.timeout_s"
    if isinstance(error, elastic_transport.ConnectionError):
        return "no connection: check that Elasticsearch runs, and scheme, host and port of the store's URL"
    return "the answer was not understood: check that the store's URL names an Elasticsearch"


def _cause(error: ApiError) -> tuple[str, str]:
    """Elasticsearch's type and reason; empty where a proxy or another program answered."""
    body = error.body.get("error") if isinstance(error.body, dict) else None
    if not isinstance(body, dict):
        return "", str(body or "")
    roots = body.get("root_cause")
    root = roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], dict) else body
    return str(root.get("type", "")), str(root.get("reason", ""))


def _detail(error: ApiError) -> str:
    told = " ".join(filter(None, _cause(error))) or re.sub("<[^>]*>", " ", error.message)  # a proxy's HTML page
    return _one_line(f"{error.status_code} {told}")


def _one_line(text: str) -> str:
    """Short and without line ends and control characters: what servers say may repeat what was crawled."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _DETAIL_CHARACTERS else line[: _DETAIL_CHARACTERS - 1] + "…"
