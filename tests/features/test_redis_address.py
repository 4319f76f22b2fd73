"""One URL says where Redis is, how to log in, and whether sentinels or a cluster are in between."""

import ssl

import pytest

from app.features.redis_address import Place, parse_address

PASSWORD = "watch"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    ("url", "topology", "places"),
    [
        ("redis://", "single", [Place("localhost", 6379)]),
        ("redis://cache:7000/3", "single", [Place("cache", 7000)]),
        ("redis://[::1]:7000", "single", [Place("::1", 7000)]),
        ("unix:///run/redis.sock", "single", [Place("localhost", 6379, "/run/redis.sock")]),
        (
            "redis+sentinel://one,two:7001/ads/0",
            "sentinel",
            [Place("one", 26379), Place("two", 7001)],
        ),
        (
            "redis+cluster://u:p@one,[::1]:7001",
            "cluster",
            [Place("one", 6379), Place("::1", 7001)],
        ),
    ],
)
def test_the_places_of_every_kind_of_url(url, topology, places):
    address = parse_address(url)

    assert address.topology == topology
    assert list(address.places) == places


@pytest.mark.parametrize(
    "url",
    [
        "redis://reader:s%3Ae%2Fc@cache:7000/3?client_name=ctr",
        "redis+sentinel://reader:s%3Ae%2Fc@one,two/ads/3?client_name=ctr",
    ],
)
def test_the_login_of_a_url(url):
    login = parse_address(url).login

    assert (login.username, login.password) == ("reader", "s:e/c")
    assert (login.db, login.client_name) == (3, "ctr")


def test_sentinels_have_a_login_of_their_own():
    address = parse_address(
        "redis+sentinel://reader:secret@one/ads", sentinel_username="s", sentinel_password=PASSWORD
    )

    assert address.master == "ads"
    assert (address.sentinel_login.username, address.sentinel_login.password) == ("s", PASSWORD)
    assert address.login.expects_master
    assert not address.sentinel_login.expects_master


def test_secrets_are_not_shown():
    address = parse_address("redis+sentinel://reader:secret@one/ads", sentinel_password=PASSWORD)

    assert "secret" not in repr(address)
    assert PASSWORD not in repr(address)


@pytest.mark.parametrize("url", ["rediss://h", "rediss+sentinel://h/ads", "rediss+cluster://h"])
def test_a_url_with_tls_verifies_the_server(url):
    address = parse_address(url)

    assert address.login.tls.verify_mode is ssl.CERT_REQUIRED
    assert address.login.tls.check_hostname
    assert address.sentinel_login.tls is address.login.tls


@pytest.mark.parametrize(
    ("option", "mode", "checks_name"),
    [
        ("ssl_cert_reqs=none", ssl.CERT_NONE, False),
        ("ssl_cert_reqs=required", ssl.CERT_REQUIRED, True),
        ("ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
    ],
)
def test_how_much_tls_verifies_is_an_option(option, mode, checks_name):
    context = parse_address(f"rediss://h?{option}").login.tls

    assert (context.verify_mode, context.check_hostname) == (mode, checks_name)


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis+http://h",
        "unix+cluster:///run/redis.sock",
        "redis://h:port",
        "redis://a..b",
        "redis://h/ads",
        "redis://h/1/2",
        "unix://",
        "unix://redis.sock",
        "unix://run/redis.sock",
        "redis://h?ssl_ca_certs=ca.pem",
        "redis://h?retry=5",
        "rediss://h?ssl_cert_reqs=perhaps",
        "rediss://h?ssl_ca_certs=/nowhere/ca.pem",
        "redis+sentinel://one,two",
        "redis+sentinel://one,,two/ads",
        "redis+sentinel://one:x/ads",
        "redis+sentinel://one/ads/first",
        "redis+sentinel://one,a..b/ads",
        "redis+cluster://one/3",
        "redis+cluster://one?db=3",
        "redis+cluster://",
    ],
)
def test_what_cannot_be_meant_is_refused(url):
    with pytest.raises((ValueError, OSError)):
        parse_address(url)
