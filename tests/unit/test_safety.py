"""Which addresses may be fetched."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.safety import check_address, check_url, parse_networks
from crawler.scrapy_settings import scrapy_settings
from qalqan.config import CrawlerSettings, Settings
from qalqan.errors import ConfigurationError, UnsafeAddressError

REFUSED = [
    "http://127.0.0.1/",
    "http://127.8.9.1:8000/",
    "http://10.0.0.1/",
    "http://172.16.5.4/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://0.0.0.0/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://127.1/",
    "http://0/",
    "http://127.0.0.1./",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a00:1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2001:db8::1]/",
    "file:///etc/passwd",
    "ftp://example.kz/",
    "javascript:alert(1)",
    "data:text/html,x",
    "http:///path",
    "http://[::1",
]


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url: str) -> None:
    with pytest.raises(UnsafeAddressError):
        check_url(url, ())


@pytest.mark.parametrize(
    "url",
    [
        "https://t.me/s/channel",
        "http://1.1.1.1/",
        "http://[2606:4700:4700::1111]/",
        "http://[64:ff9b::101:101]/",
        "http://123.example.kz/",
    ],
)
def test_public(url: str) -> None:
    check_url(url, ())


def test_operator_may_allow_networks() -> None:
    allowed = parse_networks(["127.0.0.0/8", "fd00::/8"])
    check_url("http://127.0.0.1:8900/", allowed)
    check_url("http://[fd00::5]/", allowed)
    check_url("http://[::ffff:127.0.0.1]/", allowed)
    with pytest.raises(UnsafeAddressError, match=r"10\.0\.0\.1 is not a public address"):
        check_url("http://10.0.0.1/", allowed)
    with pytest.raises(ConfigurationError, match=r"crawler\.allowed_networks"):
        parse_networks(["10.0.0.1/8"])


@given(st.ip_addresses(v=4))
def test_a_disguise_changes_nothing(address: ipaddress.IPv4Address) -> None:
    def is_refused(candidate: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        try:
            check_address(candidate, ())
        except UnsafeAddressError:
            return True
        return False

    disguises = [
        ipaddress.IPv6Address(f"::ffff:{address}"),
        ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)),
        ipaddress.IPv6Address(f"64:ff9b::{address}"),
    ]
    assert {is_refused(d) for d in disguises} == {is_refused(address)}


@pytest.mark.parametrize(
    ("prefix", "delay_s"),
    [(None, 2.5), ("http://127.0.0.1:8900/id_/", 0), ("http://localhost/id_/", 0), ("https://archive.example/", 2.5)],
)
def test_only_an_archive_on_this_machine_is_fetched_without_pauses(prefix: str | None, delay_s: float) -> None:
    crawler = CrawlerSettings(replay_prefix=prefix, delay_s=2.5, concurrency_per_host=2)
    options = scrapy_settings(Settings(crawler=crawler))
    assert (options["DOWNLOAD_DELAY"], options["CONCURRENT_REQUESTS_PER_DOMAIN"]) == (delay_s, 2)


@pytest.mark.parametrize("prefix", ["127.0.0.1:8900/", "file:///pages/", "https://"])
def test_impossible_replay_prefix(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"crawler\.replay_prefix"):
        scrapy_settings(Settings(crawler=CrawlerSettings(replay_prefix=prefix)))
