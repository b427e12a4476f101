"""What Ray raises: errors of pages, of which people are told a line or two."""


def lines(error: Exception) -> list[str]:
    """What an error says, line by line, without empty ones."""
    return [line.strip() for line in str(error).splitlines() if line.strip()]
