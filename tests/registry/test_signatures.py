"""Keys are made once, kept to their owner, and written so that a setting can take them."""

import pytest

from app.errors import StartupRefused
from app.registry.signatures import TrustedKeys, generate_key, signature_of


def test_a_private_key_is_its_owners_alone(tmp_path):
    generate_key(tmp_path / "key.pem")

    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_never_replaces_another(tmp_path):
    generate_key(tmp_path / "key.pem")
    content = (tmp_path / "key.pem").read_bytes()

    with pytest.raises(StartupRefused, match=r"key\.pem cannot be written: File exists"):
        generate_key(tmp_path / "key.pem")

    assert (tmp_path / "key.pem").read_bytes() == content


def test_every_key_is_another(tmp_path):
    assert len({generate_key(tmp_path / str(number)) for number in range(5)}) == 5


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----"])
def test_what_is_no_private_key_signs_nothing(tmp_path, content):
    (tmp_path / "key.pem").write_bytes(content)

    with pytest.raises(StartupRefused, match=r"key\.pem is no private key: make one with"):
        signature_of(b"manifest", tmp_path / "key.pem")


def test_a_key_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(StartupRefused, match="No such file"):
        signature_of(b"manifest", tmp_path / "key.pem")


@pytest.mark.parametrize(
    "text", [",", "no-key", "AAAA", "é", "A" * 5000], ids=["none", "text", "short", "é", "long"]
)
def test_keys_that_are_none_refuse_to_start_in_one_line(text):
    with pytest.raises(StartupRefused, match="CTR_TRUSTED_KEYS") as refused:
        TrustedKeys.of(text)

    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 300
