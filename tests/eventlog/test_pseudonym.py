"""Pseudonyms: the published vector, and the rule by another implementation."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.eventlog.pseudonym import pseudonym

VECTOR = "48cee8d8b352a2221a8993ac5fafd739ef877013a7576e582ac1363b92995782"


def test_the_vector_of_the_contract():
    """Salt `salt`, id `user` give the digest that any client must get."""
    assert pseudonym(b"salt", "user") == VECTOR


@pytest.mark.parametrize("spelling", [" user", "user\n", "\t user \u00a0"])
def test_white_space_around_does_not_count(spelling):
    """An identifier is trimmed before it is hashed."""
    assert pseudonym(b"salt", spelling) == VECTOR


@given(salt=st.binary(min_size=1, max_size=100), identifier=st.text(st.characters(exclude_categories=["Cs"])))
def test_hmac_from_its_definition(salt, identifier):
    """The digest is RFC 2104's, built here from SHA-256 alone."""
    from hashlib import sha256

    key = (sha256(salt).digest() if len(salt) > 64 else salt).ljust(64, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in key) + identifier.strip().encode()).digest()
    assert pseudonym(salt, identifier) == sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_openssl_agrees():
    """The command that an operator would use gives the same digits, where it is installed."""
    program = shutil.which("openssl")
    if program is None:
        return
    done = subprocess.run([program, "dgst", "-sha256", "-hmac", "salt"], input=b"user", capture_output=True, check=True)
    assert done.stdout.decode().split()[-1] == VECTOR
