"""Wallets whose checksum is right: wallet_btc, wallet_eth, wallet_trx."""

import re
from collections.abc import Iterator

import base58
import bech32
from eth_hash.auto import keccak

from qalqan.records import Entity

_BASE58 = "1-9A-HJ-NP-Za-km-z"
_WALLET = re.compile(
    rf"""(?<![0-9A-Za-z])(?:
        (?P<trx>T[{_BASE58}]{{33}})
      | (?P<eth>0x[0-9a-fA-F]{{40}})
      | (?P<bech32>bc1[0-9a-z]{{11,87}}|BC1[0-9A-Z]{{11,87}})
      | (?P<btc>[13][{_BASE58}]{{25,34}})
    )(?![0-9A-Za-z])""",
    re.VERBOSE,
)
_TRON_VERSION = 0x41
_BITCOIN_VERSIONS = (0x00, 0x05)  # public key hash, script hash
_PAYLOAD_BYTES = 21
_BECH32M = 0x2BC830A3  # BIP 350


def find_wallets(text: str) -> Iterator[Entity]:
    for match in _WALLET.finditer(text):
        name = str(match.lastgroup)
        value = match[0]
        if _CHECKS[name](value):
            kind = "wallet_btc" if name == "bech32" else f"wallet_{name}"
            yield Entity(kind=kind, value=value, start=match.start(), end=match.end())


def _base58_version(address: str) -> int | None:
    """The version byte, None if the checksum or the length is wrong."""
    try:
        payload = base58.b58decode_check(address)
    except ValueError:
        return None
    return payload[0] if len(payload) == _PAYLOAD_BYTES else None


def _is_segwit(address: str) -> bool:
    """BIP 173 for version 0, BIP 350 (another checksum) for the later ones."""
    digits = [bech32.CHARSET.find(character) for character in address.lower()[3:]]
    if min(digits) < 0:
        return False
    version, program = digits[0], bech32.convertbits(digits[1:-6], 5, 8, False)
    if program is None or version > 16 or not 2 <= len(program) <= 40:
        return False
    if version == 0 and len(program) not in (20, 32):
        return False
    checksum = bech32.bech32_polymod(bech32.bech32_hrp_expand("bc") + digits)
    return bool(checksum == (1 if version == 0 else _BECH32M))


def _is_ethereum(address: str) -> bool:
    """In one case there is no checksum to check; in mixed case it is EIP-55's."""
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return True
    nibbles = keccak(digits.lower().encode()).hex()
    return all(
        character == (character.upper() if int(nibble, 16) >= 8 else character.lower())
        for character, nibble in zip(digits, nibbles, strict=False)
    )


_CHECKS = {
    "trx": lambda value: _base58_version(value) == _TRON_VERSION,
    "btc": lambda value: _base58_version(value) in _BITCOIN_VERSIONS,
    "bech32": _is_segwit,
    "eth": _is_ethereum,
}
