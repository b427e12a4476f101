"""What Ray raises: errors of pages, of which people are told a line or two."""

LONGEST = 600


def lines(error: Exception) -> list[str]:
    """What an error says, line by line, without empty ones."""
    return [line.strip() for line in str(error).splitlines() if line.strip()]


def told(error: Exception) -> str:
    """An error's kind, where it begins and what it comes to."""
    said = lines(error)
    ends = f"{said[0]} … {said[-1]}" if len(said) > 1 else "".join(said)
    return f"{type(error).__name__}: {ends}"[:LONGEST]
