"""The store's URL, credentials and TLS settings, and what the client's errors become; nothing is sent."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import elastic_transport
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from qalqan.config import StoreSettings, load_settings
from qalqan.errors import ConfigurationError, StoreError
from qalqan.store.elasticsearch.connection import Place, connect, translated

KEY = "aWQ6c2VjcmV0a2V5dGhhdG5vYm9keXNlZXM="
PASSWORD = "пароль-that-nobody-sees"
WITH_PASSWORD = StoreSettings(username="qalqan", password=SecretStr(PASSWORD))
WITH_KEY = StoreSettings(api_key=SecretStr(KEY))
ROLES = Path(__file__).parents[2] / "qalqan" / "store" / "elasticsearch" / "roles"


def nodes_of(client: Elasticsearch) -> list[str]:
    return sorted(node.base_url for node in client.transport.node_pool.all())


@pytest.mark.parametrize(
    ("url", "nodes", "place"),
    [
        (
            "http://localhost",
            ["http://localhost:9200"],
            Place("qalqan", "wait_for", "http://localhost:9200/qalqan"),
        ),
        (
            "https://es.example:443/kz-2026_a/?refresh=true",
            ["https://es.example:443"],
            Place("kz-2026_a", "true", "https://es.example:443/kz-2026_a"),
        ),
        (
            "https://a:9201,b:9202,c/desk?refresh=false",
            ["https://a:9201", "https://b:9202", "https://c:9200"],
            Place("desk", "false", "https://a:9201,b:9202,c:9200/desk"),
        ),
        (
            "http://127.0.0.1:9200,[::1]:9201",
            ["http://127.0.0.1:9200", "http://[::1]:9201"],
            Place("qalqan", "wait_for", "http://127.0.0.1:9200,[::1]:9201/qalqan"),
        ),
    ],
)
def test_url_says_nodes_prefix_and_refresh(url: str, nodes: list[str], place: Place):
    client, found = connect(url, StoreSettings())
    with client:
        assert (nodes_of(client), found) == (nodes, place)


@given(
    hosts=st.lists(
        st.tuples(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), st.integers(1, 65535)),
        min_size=1,
        unique=True,
    ),
    prefix=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,99}", fullmatch=True),
)
def test_name_of_a_place_is_its_url(hosts: list[tuple[str, int]], prefix: str):
    name = f"http://{','.join(f'{host}:{port}' for host, port in hosts)}/{prefix}"
    client, place = connect(name, StoreSettings())
    client.close()
    assert place == Place(prefix, "wait_for", name)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("elasticsearch:9200", "no address of Elasticsearch: write https://host:9200/prefix"),
        ("ftp://es:9200", "no address"),
        ("https://", "no address"),
        ("https:///prefix", "no address"),
        ("https://es/prefix#part", "no address"),
        ("https://es:0", "host or port that cannot be"),
        ("https://es:65536", "host or port"),
        ("https://es:port", "host or port"),
        ("https://a,,b", "host or port"),
        ("https://a,https://b", "host or port"),
        ("https://e s", "host or port"),
        ("https://es,es:9200", "the same host and port twice"),
        ("https://es/Qalqan", "prefix 'Qalqan': take up to 100 lower-case letters"),
        ("https://es/two/parts", "prefix 'two/parts'"),
        ("https://es/_all", "prefix '_all'"),
        ("https://es/-x", "prefix '-x'"),
        ("https://es/a*", "prefix 'a*'"),
        ("https://es/каз", "prefix 'каз'"),
        ("https://es/" + "a" * 101, "up to 100"),
        ("https://es/p?refresh=sometimes", "?refresh=true, wait_for or false"),
        ("https://es/p?refresh=", "?refresh="),
        ("https://es/p?refresh=true&refresh=true", "?refresh="),
        ("https://es/p?api_key=hidden", "no other parameter"),
    ],
)
def test_wrong_url_is_refused(url: str, words: str):
    with pytest.raises(ConfigurationError) as caught:
        connect(url, StoreSettings())
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


@given(
    user=st.text(max_size=10),
    password=st.text(st.characters(blacklist_categories=["Cs"]), min_size=4),
    is_quoted=st.booleans(),
)
def test_password_in_the_url_is_refused_and_not_repeated(user: str, password: str, is_quoted: bool):
    written = quote(password, safe="") if is_quoted else password
    with pytest.raises(ConfigurationError) as caught:
        connect(f"https://{quote(user)}:{written}@es.example:9200/qalqan", WITH_KEY)
    assert str(caught.value) == (
        "the store's URL holds a user name or a password: take them out, and set store.username and "
        "store.password_file, or store.api_key_file, instead"
    )


@pytest.mark.parametrize("options", [WITH_KEY, WITH_PASSWORD])
@pytest.mark.parametrize("hosts", ["es.example", "10.0.0.5:9200", "localhost,es.example", "localhost.example", "[::]"])
def test_credentials_never_go_unencrypted_over_the_network(hosts: str, options: StoreSettings):
    with pytest.raises(ConfigurationError, match="over http:// everybody on the way could read the credentials"):
        connect(f"http://{hosts}", options)


@pytest.mark.parametrize("options", [WITH_KEY, WITH_PASSWORD])
@pytest.mark.parametrize("hosts", ["localhost", "127.0.0.1:9200", "[::1]", "localhost,127.0.0.2"])
def test_this_machine_may_be_told_over_http(hosts: str, options: StoreSettings):
    connect(f"http://{hosts}", options)[0].close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": KEY, "username": "u", "password": PASSWORD}, "set an API key, or a user name and a password"),
        ({"api_key": KEY, "password": PASSWORD}, "set an API key, or a user name and a password"),
        ({"api_key": KEY, "api_key_file": "f"}, "set store.api_key or store.api_key_file, not both"),
        ({"username": "u", "password": PASSWORD, "password_file": "f"}, "store.password or store.password_file"),
        ({"username": "u"}, "store.username needs store.password or store.password_file"),
        ({"password": PASSWORD}, "store.username needs"),
        ({"ca_certs": "f", "fingerprint": "0" * 64}, "set store.ca_certs or store.fingerprint, not both"),
        ({"fingerprint": "0" * 40}, "64 hexadecimal digits"),
        ({"api_keys": KEY}, "Extra inputs are not permitted"),
        ({"username": "a:b", "password": PASSWORD}, "username"),
        ({"shards": 0}, "greater than or equal to 1"),
        ({"replicas": -1}, "greater than or equal to 0"),
        ({"timeout_s": 0}, "greater than 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_without_their_values(options: dict[str, Any], words: str):
    with pytest.raises(ValidationError) as caught:
        StoreSettings(**options)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_settings_from_the_environment_keep_their_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QALQAN_STORE__API_KEY", KEY)
    assert KEY not in repr(load_settings(home=tmp_path))
    monkeypatch.setenv("QALQAN_STORE__USERNAME", "somebody")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(home=tmp_path)
    assert str(caught.value) == (
        "setting store: set an API key, or a user name and a password, not both; see docs/settings.md"
    )
    assert KEY not in str(caught.value.__cause__)


def test_fingerprint_is_taken_with_and_without_colons():
    with_colons = ":".join(["AB"] * 32)
    assert StoreSettings(fingerprint=with_colons).fingerprint == "ab" * 32


@pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f" {KEY} \r\n"])
def test_key_comes_from_a_file(tmp_path: Path, content: str):
    (tmp_path / "key").write_text(content)
    connect("https://es.example", StoreSettings(api_key_file=tmp_path / "key"))[0].close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "it is no text in UTF-8"),
        (b"id:secret", "take the value `encoded`"),
        (b"two\nlines", "take the value `encoded`"),
        (b'{"encoded": "x"}', "take the value `encoded`"),
    ],
)
def test_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes | None, words: str):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        connect("https://es.example", StoreSettings(api_key_file=path))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_password_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"store\.password_file: .*absent cannot be read"):
        connect("https://es.example", StoreSettings(username="u", password_file=tmp_path / "absent"))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"store\.ca_certs: .*ca\.pem holds no CA certificates in PEM"):
        connect("https://es.example", StoreSettings(ca_certs=path))


@pytest.mark.parametrize("options", [StoreSettings(ca_certs=Path("ca.pem")), StoreSettings(fingerprint="0" * 64)])
def test_tls_settings_need_https(options: StoreSettings):
    with pytest.raises(ConfigurationError, match="need an https:// URL"):
        connect("http://localhost", options)


def api_error(status: int, body: Any, kind: type[ApiError] = ApiError) -> ApiError:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, NodeConfig("http", "es", 9200))
    return kind(message=str(body), meta=meta, body=body)


def told(kind: str, reason: str) -> dict[str, Any]:
    return {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}}


NOT_FOUND = told("index_not_found_exception", "no such index [qalqan-documents]")
FLOOD = told(
    "cluster_block_exception",
    "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
    "read-only-allow-delete block];",
)
CLOSED = told("cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];")
NO_MASTER = told("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];")
OLD = told("media_type_header_exception", "Invalid media-type value on headers [Accept]")
UNSUPPORTED = api_error(200, {}, UnsupportedProductError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (api_error(401, told("security_exception", "unable to authenticate")), "credentials are not valid: check"),
        (api_error(401, "<html><h1>401 Authorization Required</h1></html>"), "check store.api_key, or store.username"),
        (api_error(403, told("security_exception", "unauthorized")), "may not do this: give their role what docs/"),
        (api_error(404, NOT_FOUND), "an index or alias is missing: run `qalqan reindex --install`"),
        (api_error(413, ""), "raise http.max_content_length"),
        (api_error(429, told("es_rejected_execution_exception", "queue")), "more to do than it can: wait"),
        (api_error(429, FLOOD), "disk is nearly full"),
        (api_error(403, CLOSED), "closed for writing: see GET _cluster/health"),
        (api_error(503, NO_MASTER), "nodes or a master are missing"),
        (api_error(503, {"error": {"root_cause": [], "type": "search_phase_execution_exception"}}), "not ready"),
        (api_error(502, "<html>"), "the proxy before Elasticsearch does not reach it"),
        (api_error(504, "<html>"), "the proxy before Elasticsearch waited too long"),
        (api_error(400, OLD), "no Elasticsearch 8 or 9"),
        (api_error(406, {"error": "Content-Type header is not supported"}), "no Elasticsearch 8 or 9"),
        (api_error(400, told("illegal_argument_exception", "x")), "refused (400 illegal_argument_exception x)"),
        (api_error(400, "<p>The plain HTTP request was sent to HTTPS port"), "write https:// in the store's URL"),
        (api_error(418, None), "Elasticsearch refused (418 None)"),
        (UNSUPPORTED, "no Elasticsearch 8 or 9"),
        (elastic_transport.ConnectionError("Connection refused"), "no connection: check that Elasticsearch runs"),
        (elastic_transport.ConnectionTimeout("timed out"), "no answer in time: check the server's load, or raise"),
        (elastic_transport.TlsError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "check store.ca_certs and the"),
        (elastic_transport.TlsError('Fingerprints did not match. Expected "a"'), "not the one of store.fingerprint"),
        (elastic_transport.TlsError("[SSL: WRONG_VERSION_NUMBER]"), "speaks TLS 1.2 or later at this port"),
        (elastic_transport.SerializationError("Unable to deserialize"), "the answer was not understood"),
    ],
)
def test_error_says_what_to_do(error: Exception, words: str):
    with pytest.raises(StoreError) as caught, translated("https://es:9200/qalqan"):
        raise error
    assert str(caught.value).startswith("store https://es:9200/qalqan: ")
    assert words in str(caught.value)
    assert caught.value.__cause__ is error


@given(reason=st.text(max_size=1000), status=st.sampled_from([400, 403, 404, 429, 500, 503]))
def test_what_a_server_says_stays_short_and_on_one_line(reason: str, status: int):
    with pytest.raises(StoreError) as caught, translated("x"):
        raise api_error(status, told("mapper_parsing_exception", reason))
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()


@given(body=st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(
    st.sampled_from(["error", "root_cause", "type", "reason", "x"]), inner | st.lists(inner, max_size=2)), max_leaves=5
))  # fmt: skip
def test_any_answer_becomes_a_store_error(body: Any):
    with pytest.raises(StoreError), translated("x"):
        raise api_error(500, body)


def test_other_errors_pass():
    with pytest.raises(KeyError), translated("x"):
        raise KeyError("ours")


@pytest.mark.parametrize("role", ["reader", "writer", "admin"])
def test_role_names_the_indices_of_its_prefix_alone(role: str):
    descriptor = json.loads((ROLES / f"{role}.json").read_text().replace("{prefix}", "desk"))
    (indices,) = descriptor["indices"]
    assert set(descriptor) == {"cluster", "indices"}
    kinds = ("documents", "captures", "channels")
    assert indices["names"] == [f"desk-{kind}{end}" for kind in kinds for end in ("", "-*")]
    assert not {"all", "manage_security"} & {*descriptor["cluster"], *indices["privileges"]}
    assert all(re.fullmatch(r"[a-z_]+|(cluster|indices):[a-z/]+\*?", one) for one in indices["privileges"])


def test_each_role_may_do_more_than_the_one_before():
    privileges = {
        role: set(json.loads((ROLES / f"{role}.json").read_text())["indices"][0]["privileges"])
        for role in ("reader", "writer", "admin")
    }
    assert privileges["reader"] == {"read", "view_index_metadata"}
    assert privileges["reader"] < privileges["writer"]
    assert not {"manage", "delete_index"} & privileges["writer"]
    assert "manage" in privileges["admin"]
