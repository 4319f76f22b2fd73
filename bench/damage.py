"""Bytes damaged at random, whatever they are."""

import random

FRAGMENTS = [
    *(b"null", b"NaN", b"-1", b"1e999", b"true", b"[]", b"{}", b'""', b'"', b"[" * 300),
    *(b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"\xf0\x9f\x92\xa9", b"," * 9, b"9" * 400, b"\r\n"),
]


def damage(content: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, left out, doubled, put in or replaced, or all that follow left out."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice([1, 1, 1, 2, 5, 20, 200]))
    before, hit, after = content[:start], content[start:end], content[end:]
    kinds = [
        before + after,
        before + hit + hit + after,
        before + bytes(byte ^ (1 << rng.randrange(8)) for byte in hit) + after,
        before + rng.choice(FRAGMENTS) + hit + after,
        before + rng.choice(FRAGMENTS) + after,
        before,
    ]
    return rng.choice(kinds)
