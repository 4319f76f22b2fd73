"""Options that are several numbers, written with commas."""

from app.errors import StartupRefused


def parse_numbers(option: str, text: str) -> list[float]:
    """Raises StartupRefused for what is not a number."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise StartupRefused(
            f"{option} {text}: write numbers with commas between them, such as 0.5,0.3,0.2"
        ) from None
