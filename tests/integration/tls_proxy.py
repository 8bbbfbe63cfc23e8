"""TLS, passwords and API keys before a plain Elasticsearch: nginx with a CA made for it, as Elastic's own would ask."""

import base64
import datetime
import ipaddress
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from elasticsearch_server import reserved_port

# Debian keeps it out of a user's PATH.
_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
_START_TIMEOUT_S = 20.0

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_max_body_size {body_limit};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_authorization $realm {{
        default elasticsearch;
        "~^ApiKey {api_key}$" off;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        location / {{
            auth_basic $realm;
            auth_basic_user_file {folder}/users;
            proxy_set_header Authorization "";
            proxy_pass {upstream};
        }}
    }}
}}
"""


@dataclass(frozen=True)
class TlsProxy:
    """fingerprint: SHA-256 of the server's certificate in hexadecimal digits; api_key: as Elasticsearch encodes it."""

    url: str
    ca_file: Path
    fingerprint: str
    user: str
    password: str
    api_key: str
    log: Path

    @property
    def basic(self) -> str:
        """User and password as they stand in a request."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Authority:
    """A CA of our own, its certificate in PEM at `path`."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    path: Path


def reason_for_absence() -> str | None:
    """Why there is no nginx; None if there is one."""
    return None if shutil.which("nginx", path=_PATH) else "no nginx here: apt-get install nginx-light"


@contextmanager
def start_tls_proxy(upstream: str, folder: Path, body_limit: str = "100m") -> Iterator[TlsProxy]:
    """nginx at https://127.0.0.1:<port> and https://localhost:<port>. upstream: http://host:port.

    Requests without the password or the key get 401, those longer than `body_limit` (nginx's notation) 413.
    """
    nginx = shutil.which("nginx", path=_PATH)
    assert nginx, reason_for_absence()
    folder.mkdir(parents=True, exist_ok=True)
    authority = make_authority(folder / "ca.pem")
    certificate = certify(authority, folder, ["localhost", "127.0.0.1"])
    user, password = "qalqan", secrets.token_urlsafe(24)
    api_key = base64.b64encode(f"{secrets.token_urlsafe(15)}:{secrets.token_urlsafe(16)}".encode()).decode()
    (folder / "users").write_text(f"{user}:{{PLAIN}}{password}\n")
    log = folder / "nginx.log"
    with reserved_port() as port:
        configuration = _CONFIGURATION.format(
            folder=folder, port=port, api_key=re.escape(api_key), upstream=upstream, body_limit=body_limit
        )
        (folder / "nginx.conf").write_text(configuration)
        process = subprocess.Popen(
            [nginx, "-p", str(folder), "-e", str(log), "-c", str(folder / "nginx.conf")], stdin=subprocess.DEVNULL
        )
        try:
            _wait_until_it_listens(process, port, log)
            fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
            yield TlsProxy(f"https://127.0.0.1:{port}", authority.path, fingerprint, user, password, api_key, log)
        finally:
            process.terminate()
            process.wait(20)


def make_authority(path: Path, name: str = "CA of the tests") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _unsigned(name, _named(name), key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, path)


def certify(
    authority: Authority, folder: Path, names: Sequence[str], issuer: x509.Certificate | None = None
) -> x509.Certificate:
    """Writes server.key and server.pem for the host names and addresses.

    issuer: who is said to have signed it, whoever has.
    """
    issuer = issuer or authority.certificate
    key = ec.generate_private_key(ec.SECP256R1())
    holder = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _unsigned("server of the tests", issuer.subject, key)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(holder), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _unsigned(subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=2))
    )


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    raise RuntimeError(f"nginx at port {port} does not answer (exit status {process.poll()}):\n{tail}")
