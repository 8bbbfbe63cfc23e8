"""A real Elasticsearch behind TLS, passwords and keys: who gets in, what others are told, and that no secret shows."""

import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from elasticsearch_server import reserved_port
from tls_proxy import TlsProxy, certify, make_authority, reason_for_absence, start_tls_proxy

from qalqan.config import StoreSettings
from qalqan.errors import ConfigurationError, StoreError
from qalqan.store.elasticsearch.connection import check_server, connect, translated


@pytest.fixture(scope="module")
def proxy(elasticsearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsProxy]:
    if reason := reason_for_absence():
        pytest.skip(reason)
    with start_tls_proxy(elasticsearch_url, tmp_path_factory.mktemp("tls")) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def no_secret_in_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Everything is logged, each request of the libraries, too; no secret is in it."""
    caplog.set_level(logging.DEBUG)
    yield
    if "proxy" in request.fixturenames:
        assert_no_secret(request.getfixturevalue("proxy"), *map(caplog.handler.format, caplog.get_records("call")))


def assert_no_secret(proxy: TlsProxy, *texts: str) -> None:
    for secret in (proxy.password, proxy.basic, proxy.api_key):
        assert not any(secret in text for text in texts)


def let_in(url: str, options: StoreSettings) -> None:
    client, place = connect(url, options)
    with client:
        check_server(client, place)


def turned_away(url: str, options: StoreSettings) -> str:
    """What is said; no secret of the options in it, nor in the errors behind it."""
    with pytest.raises(StoreError) as caught:
        let_in(url, options)
    everything = "".join(traceback.format_exception(caught.value))
    for secret in (options.api_key, options.password):
        assert secret is None or secret.get_secret_value() not in everything
    return str(caught.value)


def with_key(proxy: TlsProxy, **others: object) -> StoreSettings:
    return StoreSettings.model_validate({"api_key": proxy.api_key, **others})


def with_password(proxy: TlsProxy, **others: object) -> StoreSettings:
    return StoreSettings.model_validate({"username": proxy.user, "password": proxy.password, **others})


def localhost(proxy: TlsProxy) -> str:
    return proxy.url.replace("127.0.0.1", "localhost")


def test_key_and_password_let_in_through_the_right_ca(proxy: TlsProxy):
    for url in (proxy.url, localhost(proxy), f"{proxy.url}/desk?refresh=true"):
        let_in(url, with_key(proxy, ca_certs=proxy.ca_file))
        let_in(url, with_password(proxy, ca_certs=proxy.ca_file))


def test_requests_are_logged_without_the_secret(proxy: TlsProxy, caplog: pytest.LogCaptureFixture):
    let_in(proxy.url, with_password(proxy, ca_certs=proxy.ca_file))
    assert "> Authorization: Basic <hidden>" in caplog.text
    assert_no_secret(proxy, caplog.text)


def test_key_and_password_are_read_from_files(proxy: TlsProxy, tmp_path: Path):
    (tmp_path / "key").write_text(f"{proxy.api_key}\n")
    (tmp_path / "password").write_text(f"{proxy.password}\n")
    let_in(proxy.url, StoreSettings(api_key_file=tmp_path / "key", ca_certs=proxy.ca_file))
    let_in(
        proxy.url,
        StoreSettings(username=proxy.user, password_file=tmp_path / "password", ca_certs=proxy.ca_file),
    )


def test_certificate_itself_is_enough(proxy: TlsProxy):
    let_in(proxy.url, with_key(proxy, fingerprint=proxy.fingerprint))
    with_colons = ":".join(proxy.fingerprint[place : place + 2] for place in range(0, 64, 2)).upper()
    let_in(localhost(proxy), with_key(proxy, fingerprint=with_colons))


def test_server_of_another_ca_is_turned_away(proxy: TlsProxy, tmp_path: Path):
    other = make_authority(tmp_path / "other.pem")
    for options in (with_key(proxy, ca_certs=other.path), with_key(proxy)):  # without any: the system's
        message = turned_away(proxy.url, options)
        assert message.startswith(f"store {proxy.url}/qalqan: the server's certificate is not trusted: check store.")
        assert "CERTIFICATE_VERIFY_FAILED" in message


def test_certificate_holds_for_its_names_alone(proxy: TlsProxy, tmp_path: Path):
    authority = make_authority(tmp_path / "ca.pem")
    certify(authority, tmp_path, ["es.example", "127.0.0.2"])
    with answering(tls_of(tmp_path)) as stage:
        for host in ("127.0.0.1", "localhost"):
            message = turned_away(f"https://{host}:{stage.port}", with_key(proxy, ca_certs=authority.path))
            assert "the server's certificate is not trusted: check store.ca_certs and the host name" in message
            assert "mismatch" in message
    assert stage.headers == []


def test_other_fingerprints_are_turned_away(proxy: TlsProxy):
    of_the_ca = x509.load_pem_x509_certificate(proxy.ca_file.read_bytes()).fingerprint(hashes.SHA256()).hex()
    for fingerprint in ("ab" * 32, of_the_ca):
        message = turned_away(proxy.url, with_key(proxy, fingerprint=fingerprint))
        assert "the server's certificate is not the one of store.fingerprint: if it was renewed" in message
        assert proxy.fingerprint in message


def test_stranger_who_shows_the_known_certificate_beside_his_own_gets_no_key(proxy: TlsProxy, tmp_path: Path):
    """A chain whose signatures are wrong; the client's own check of fingerprints takes it."""
    stranger = make_authority(tmp_path / "stranger.pem")
    known = x509.load_pem_x509_certificate(proxy.ca_file.read_bytes())
    certify(stranger, tmp_path, ["127.0.0.1"], issuer=known)
    with (tmp_path / "server.pem").open("ab") as chain:
        chain.write(known.public_bytes(serialization.Encoding.PEM))
    with answering(tls_of(tmp_path)) as stage:
        options = with_key(proxy, fingerprint=known.fingerprint(hashes.SHA256()).hex())
        message = turned_away(f"https://127.0.0.1:{stage.port}", options)
    assert "not the one of store.fingerprint" in message
    assert stage.headers == []


def test_wrong_credentials_are_turned_away(proxy: TlsProxy):
    trusting = {"ca_certs": proxy.ca_file}
    another_key = proxy.api_key[:-6] + "AAAAA="
    for options in (
        StoreSettings.model_validate({"api_key": another_key, **trusting}),
        StoreSettings.model_validate({"username": proxy.user, "password": "not-it", **trusting}),
        StoreSettings.model_validate({"username": "nobody", "password": proxy.password, **trusting}),
        StoreSettings.model_validate(trusting),
    ):
        assert turned_away(proxy.url, options).startswith(
            f"store {proxy.url}/qalqan: the credentials are not valid: check store.api_key, or store.username and "
            "store.password (401 "
        )


def test_nothing_secret_goes_to_another_machine_over_plain_http(proxy: TlsProxy):
    for options in (with_key(proxy), with_password(proxy)):
        with pytest.raises(ConfigurationError) as caught:
            connect("http://es.example:9200", options)
        assert str(caught.value) == (
            "store http://es.example:9200/qalqan: over http:// everybody on the way could read the credentials: use "
            "https://"
        )


def test_scheme_that_the_server_does_not_speak_is_named(proxy: TlsProxy, elasticsearch_url: str):
    message = turned_away(proxy.url.replace("https", "http"), with_key(proxy))
    assert "this server wants a secure connection: write https:// in the store's URL" in message
    message = turned_away(elasticsearch_url.replace("http", "https"), with_key(proxy))
    assert "check that the server speaks TLS 1.2 or later at this port" in message


def test_proxy_that_takes_less_than_is_sent(elasticsearch_url: str, proxy: TlsProxy, tmp_path: Path):
    with start_tls_proxy(elasticsearch_url, tmp_path, body_limit="1k") as narrow:
        client, place = connect(narrow.url, with_key(narrow, ca_certs=narrow.ca_file))
        remedy = r"raise http\.max_content_length, and a proxy's limit"
        with client, pytest.raises(StoreError, match=remedy), translated(place.name):
            client.index(index="narrow", document={"text": "x" * 2000})


def test_proxy_without_a_server_behind_it(proxy: TlsProxy, tmp_path: Path):
    with reserved_port() as nobody, start_tls_proxy(f"http://127.0.0.1:{nobody}", tmp_path) as lonely:
        message = turned_away(lonely.url, with_key(lonely, ca_certs=lonely.ca_file))
    assert "the proxy before Elasticsearch does not reach it: check that Elasticsearch runs (502 " in message


def test_nobody_there():
    with reserved_port() as nobody:
        message = turned_away(f"http://127.0.0.1:{nobody}", StoreSettings())
    assert "no connection: check that Elasticsearch runs, and scheme, host and port of the store's URL" in message
    assert "Connection refused" in message


def test_server_that_says_nothing_is_given_up_without_a_second_try():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = turned_away(f"http://127.0.0.1:{silent.getsockname()[1]}", StoreSettings(timeout_s=0.3))
        silent.settimeout(1)
        silent.accept()[0].close()
        silent.settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent.accept()
    assert "no answer in time: check the server's load, or raise store.timeout_s" in message


def test_server_that_is_no_elasticsearch():
    with answering(None) as stage:
        message = turned_away(f"http://127.0.0.1:{stage.port}", StoreSettings())
    assert message == (
        f"store http://127.0.0.1:{stage.port}/qalqan: this server is no Elasticsearch 8 or 9: check the store's URL"
    )
    assert len(stage.headers) == 1


def test_older_version_is_named():
    with answering(None, product="Elasticsearch") as stage:
        message = turned_away(f"http://127.0.0.1:{stage.port}", StoreSettings())
    assert message.endswith("/qalqan: this is Elasticsearch 7.17.9; version 8 or 9 is needed")


def test_index_that_is_missing_or_closed_for_writing(elasticsearch_url: str):
    client, place = connect(f"{elasticsearch_url}/security", StoreSettings())
    with client:
        remedy = "an index or alias is missing: run `qalqan reindex --install`"
        with pytest.raises(StoreError, match=remedy), translated(place.name):
            client.search(index="security-absent")
        for block, words in (
            ("write", "the index or the cluster is closed for writing"),
            ("read_only_allow_delete", "the server's disk is nearly full, so the index is closed for writing"),
        ):
            name = f"security-{block}"
            client.indices.create(index=name, settings={f"index.blocks.{block}": True, "number_of_replicas": 0})
            with pytest.raises(StoreError, match=words), translated(place.name):
                client.index(index=name, document={})
            client.indices.put_settings(index=name, settings={f"index.blocks.{block}": None})
            client.indices.delete(index=name)


class Stage(ThreadingHTTPServer):
    """Answers everything as version 7.17.9 of something; keeps the headers it got."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None, product: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.headers: list[str] = []
        self.product = product
        self.port = self.server_port
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up in the middle of the handshake is what the test is about."""


class _Answer(BaseHTTPRequestHandler):
    server: Stage

    def do_GET(self) -> None:
        self.server.headers.append(str(self.headers))
        body = b'{"version": {"number": "7.17.9"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Elastic-Product", self.server.product)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


def tls_of(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


@contextmanager
def answering(context: ssl.SSLContext | None, product: str = "Something else") -> Iterator[Stage]:
    with Stage(context, product) as stage:
        thread = threading.Thread(target=stage.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield stage
        finally:
            stage.shutdown()
            thread.join()
