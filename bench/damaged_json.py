"""JSON damaged at random where a parser has to decide: tokens, keys, encodings and depth."""

import random
import re
from collections.abc import Callable

from bench.damage import damage

Damage = Callable[[bytes, random.Random], bytes]

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]', re.DOTALL)
MEMBER = re.compile(rb'("(?:[^"\\]|\\.)*"): ?("(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+)', re.DOTALL)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DEPTHS = (1, 2, 100, 127, 128, 200, 255, 256, 1024, 5000)  # around the bounds of parsers

NUMBERS = (
    *(b"0", b"-0", b"-0.0", b"-1", b"1", b"1.0", b"1e0", b"1E+2", b"1e-400", b"5e-324", b"0.1"),
    *(b"4294967295", b"4294967296", b"9007199254740993", b"9223372036854775807"),
    *(b"9223372036854775808", b"18446744073709551615", b"18446744073709551616"),
    *(b"-9223372036854775808", b"-9223372036854775809", b"1000000000", b"1000000000.0000001"),
    *(b"1000000001", b"1.7976931348623157e308", b"1.7976931348623159e308", b"1e309", b"-1e999"),
    *(b"1" + b"0" * 308, b"1" + b"0" * 309, b"9" * 5000, b"0." + b"0" * 400 + b"1", b"1e99999999"),
    *(
        b"01",
        b"+1",
        b".5",
        b"5.",
        b"1e",
        b"0x10",
        b"1_0",
        b"- 1",
        b"NaN",
        b"Infinity",
        b"-Infinity",
    ),
)
TEXTS = (
    *(b'""', b'" "', b'"a"', b'"7"', b'"7.0"', b'"ctr"', b'"ecpm"', b'"\\u0061d_id"', b'"\\/"'),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\udc00"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"'),
    *(b'"\\ud83d"', b'"\\ud83d\\u0041"', b'"\\uD83D\\uDE00"', b'"\\u00g0"', b'"\\x41"', b'"\\"'),
    *(b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xff"', b'"\xf4\x90\x80\x80"', b'"\xf0\x9f\x98"'),
    *(b'"\xef\xbf\xbf"', b'"\xe2\x80\xa8"', b'"\xef\xbb\xbf"', b'"\x7f"', b'"\x1f"', b'"\t"'),
    *(b'"e\xcc\x81"', b'"\xc3\xa9"', b"'a'", b'"' + b"x" * 256 + b'"', b'"' + b"x" * 257 + b'"'),
    *(b'"' + b"\xf0\x9f\x98\x80" * count + b'"' for count in (256, 257)),
    *(b'"' + b"\\ud83d\\ude00" * count + b'"' for count in (256, 257)),
)
OTHERS = (
    *(b"null", b"true", b"false", b"True", b"None", b"nul", b"[]", b"{}", b"[null]", b"[[1]]"),
    *(b'{"": 1}', b"[1, 2.5]", b"[true]", b"[" + b"1," * 64 + b"1]", b"/* */", b"", b",", b":"),
)
ODD = (NUMBERS, TEXTS, OTHERS)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """With one to four damages; never the same bytes."""
    changed = content
    while changed == content:
        for _ in range(rng.choice([1, 1, 1, 1, 2, 4])):
            changed = rng.choice(DAMAGES)(changed, rng)
    return changed


def replace_token(content: bytes, rng: random.Random) -> bytes:
    """By one of another type, of another size or of none."""
    start, end = _any_span(TOKEN, content, rng)
    return content[:start] + rng.choice(rng.choice(ODD)) + content[end:]


def replace_value(content: bytes, rng: random.Random) -> bytes:
    found = _any_match(MEMBER, content, rng)
    if found is None:
        return content
    return content[: found.start(2)] + rng.choice(rng.choice(ODD)) + content[found.end(2) :]


def swap_tokens(content: bytes, rng: random.Random) -> bytes:
    (start, end), (later, latest) = sorted(_any_span(TOKEN, content, rng) for _ in range(2))
    if end > later:
        return content
    one, other = content[start:end], content[later:latest]
    return content[:start] + other + content[end:later] + one + content[latest:]


def repeat_key(content: bytes, rng: random.Random) -> bytes:
    """With a value that may be another, before or after the one that was there."""
    found = _any_match(MEMBER, content, rng)
    if found is None:
        return content
    key, value = found.groups()
    members = [found[0], key + b":" + rng.choice([value, *rng.choice(ODD)])]
    rng.shuffle(members)
    return content[: found.start()] + b",".join(members) + content[found.end() :]


def nest(content: bytes, rng: random.Random) -> bytes:
    """A token in lists or objects, which need not end."""
    start, end = _any_span(TOKEN, content, rng)
    opens, closes = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    depth = rng.choice(DEPTHS)
    inner = opens * depth + content[start:end] + closes * rng.choice([depth, depth, 0])
    return content[:start] + inner + content[end:]


def encode_otherwise(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    kinds = [
        BYTE_ORDER_MARK + content,
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        text.encode("utf-32-be"),
        text.encode("latin-1", "replace"),
        text.encode("utf-7"),
        content + b"\x00",
        content + content,
        b"\x0b" + content,
        b" \t\r\n" + content + b"\n",
    ]
    return rng.choice(kinds)


def _any_span(pattern: re.Pattern[bytes], content: bytes, rng: random.Random) -> tuple[int, int]:
    found = _any_match(pattern, content, rng)
    return (len(content), len(content)) if found is None else found.span()


def _any_match(
    pattern: re.Pattern[bytes], content: bytes, rng: random.Random
) -> re.Match[bytes] | None:
    """The first after a place drawn at random, else the first of all."""
    return pattern.search(content, rng.randrange(len(content) + 1)) or pattern.search(content)


DAMAGES: tuple[Damage, ...] = (
    *(damage, damage, damage, replace_token, swap_tokens, nest, encode_otherwise),
    *(replace_value, replace_value, replace_value, replace_value, repeat_key, repeat_key),
)
