"""Addresses of currencies: the published examples hold, and no address with a digit changed does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.observables import normal
from comity.formats.text.wallets import is_wallet, keccak256

GOOD = [
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # BIP 173
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",  # BIP 350
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",  # EIP-55
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
]
CHECKED = [address for address in GOOD if not (address[2:].isupper() or address[2:].islower()) or "1q" in address]


@pytest.mark.parametrize("address", GOOD)
def test_published_addresses_hold(address: str) -> None:
    assert is_wallet(address)
    assert normal("wallet", address) is not None


@given(st.sampled_from(CHECKED), st.integers(4, 200), st.sampled_from("23456789acdefghjkmnpqrstuvwxyz"))
def test_no_address_holds_with_one_character_changed(address: str, at: int, char: str) -> None:
    at = 4 + at % (len(address) - 4)
    if address.startswith("0x"):
        char = address[at].swapcase()
    changed = address[:at] + char + address[at + 1 :]
    assert is_wallet(changed) == (changed == address)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0x" + "0" * 40,
            "0x" + "01" * 20,
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "1" * 34,
            "3" * 34,
            "bc1" + "q" * 39,
        ),
        *(
            "4" * 95,
            "8" * 95,
            "A" * 34,
            "T" + "z" * 33,
            "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "bc1",
            "0x",
            "x",
            "ж" * 34,
        ),
    ],
)
def test_what_only_looks_like_one_does_not(text: str) -> None:
    assert not is_wallet(text)


@given(st.text(alphabet=st.sampled_from("13LMDXT48bcltx0123456789abcdefABCDEFqpzry"), max_size=110))
def test_any_text_is_answered(text: str) -> None:
    assert is_wallet(text) in {True, False}


def test_keccak_is_the_one_before_the_standard() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    # A whole block and more, by the hash of an Ethereum contract's event with a long signature.
    assert len({keccak256(b"x" * size) for size in (135, 136, 137, 272, 273)}) == 5
