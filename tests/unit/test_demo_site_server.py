"""The demonstration server over a real socket, by the convention of web archives."""

from http.client import HTTPConnection

from demo_site.server import DemoServer


def fetch(server: DemoServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_pages_come_under_the_replay_prefix() -> None:
    with DemoServer() as server:
        assert server.replay_prefix == f"http://127.0.0.1:{server.port}/id_/"
        status, headers, body = fetch(server, "/id_/https://t.me/s/ulgi_qala_news_demo?before=5108")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert 'data-post="ulgi_qala_news_demo/5106"' in body.decode()
        assert 'data-post="ulgi_qala_news_demo/5108"' not in body.decode()


def test_a_redirect_names_the_original_address() -> None:
    with DemoServer() as server:
        status, headers, body = fetch(server, "/id_/https://t.me/s/ulgi_jabyq_demo")
        assert (status, headers["location"], body) == (302, "https://t.me/ulgi_jabyq_demo", b"")


def test_only_the_prefix_is_served() -> None:
    with DemoServer() as server:
        assert fetch(server, "/s/ulgi_qala_news_demo")[0] == 404
        status, headers, body = fetch(server, "/id_/https://t.me/ulgi_qala_news_demo", "HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 1000


def test_two_servers_side_by_side_and_stopping_twice() -> None:
    with DemoServer() as one, DemoServer() as two:
        assert one.port != two.port
    two.stop()
