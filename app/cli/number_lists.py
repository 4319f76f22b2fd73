"""Options that are several numbers, written with commas."""

from app.errors import StartupRefused

LARGEST_COUNT = 10_000


def parse_numbers(option: str, text: str) -> list[float]:
    """Raises StartupRefused for what is not a number."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise StartupRefused(
            f"{option} {text}: write numbers with commas between them, such as 0.5,0.3,0.2"
        ) from None


def parse_counts(option: str, text: str) -> tuple[int, ...]:
    """Ascending, each once. Raises StartupRefused unless they are from 1 to LARGEST_COUNT."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal() or not 1 <= int(part) <= LARGEST_COUNT:
            raise StartupRefused(
                f"{option} {text}: {part!r} is not a number from 1 to {LARGEST_COUNT}; "
                "write them with commas between them, such as 1,5,10"
            )
    return tuple(sorted(set(map(int, parts))))
