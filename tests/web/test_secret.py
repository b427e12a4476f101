"""The token lies in a file for its owner alone, and signs what a link may open."""

from pathlib import Path

import pytest

from classifyd.web.secret import Token, read_or_make


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "below" / "http-token"
    made = read_or_make(path)
    assert len(made) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make(path) == made
    assert [one.name for one in path.parent.iterdir()] == ["http-token"]


def test_a_token_of_the_operators_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("chosen-by-the-operator\n")
    assert read_or_make(tmp_path / "token") == "chosen-by-the-operator"


@pytest.mark.parametrize("text", ["", "short", "two words of a token", "ünïcödé-in-the-token"])
def test_a_token_that_is_no_secret_or_fits_no_header_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(ValueError, match="a token has at least 16 letters and digits; remove it to get a new one"):
        read_or_make(tmp_path / "token")


def test_a_header_opens_only_with_the_whole_token() -> None:
    token = Token("a-token-of-the-tests")
    assert token.opens("Bearer a-token-of-the-tests")
    for header in ("", "Bearer", "Bearer ", "Basic a-token-of-the-tests", "a-token-of-the-tests", "Bearer a-token"):
        assert not token.opens(header)


def test_a_signature_is_of_one_path_and_one_token() -> None:
    token = Token("a-token-of-the-tests")
    signature = token.signature("/models/spam/1/report")
    assert token.signed("/models/spam/1/report", signature)
    assert not token.signed("/models/spam/2/report", signature)
    assert not Token("another-token-of-the-tests").signed("/models/spam/1/report", signature)
    assert not token.signed("/models/spam/1/report", "")
