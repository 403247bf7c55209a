"""Which addresses are public, in whatever spelling."""

from ipaddress import ip_address

import pytest

from s2v_detect.images._addresses import is_public, private_reason

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "47.95.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2400:3200::1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
SPELLINGS = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "00",
    "0x0",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "10.1",
    "10.0x1",
    "012.1.1.1",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "192.168.257",
    "0xc0.0xa8.1.1",
    "3232235777",
    "172.16.1",
    "100.100.51400",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[fe80::1]",
    "[fd00::1]",
    "[2002:7f00:1::]",
    "[::127.0.0.1]",
    "user@127.0.0.1",
    "a:b@127.1",
    "127.0.0.1:80",
    "localhost:8080",
    "[::1]:443",
    "ⓛocalhost",
    "127.0.0.1%2e",
]
HARMLESS = [
    "example.com",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "10.example",
    "8.8.8.8",
]
HARMLESS += ["256.256.256.256", "1.2.3.4.5", "0x", "0x7g.1", "089.1.1.1", "mylocalhost", "a.1x"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_open_internet_is_not_public(address: str) -> None:
    """Of both kinds, and one inside the other."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_open_internet_is_public(address: str) -> None:
    """Up to the very edge of what is not."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", SPELLINGS)
def test_every_spelling_of_a_private_host_is_seen_through(host: str) -> None:
    """As resolvers and browsers read them."""
    assert private_reason(f"http://{host}/face.jpg")


@pytest.mark.parametrize("host", [host for host in HARMLESS if host != "0x"])
def test_names_that_only_look_like_it_are_left_alone(host: str) -> None:
    """What a name comes to is decided when it is connected to."""
    assert private_reason(f"https://{host}/127.0.0.1/localhost.jpg") == ""


def test_a_bucket_of_the_store_is_no_host() -> None:
    """Whatever it is called."""
    assert private_reason("oss://localhost/face.jpg") == ""
