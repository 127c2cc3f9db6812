"""Where the API listens is set, checked, and off unless it is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from comity.boot import settings as setting
from comity.errors import Misuse
from tests.cli.conftest import found


def load(home: Path, *lines: str) -> setting.Settings:
    path = home / setting.FILE
    before = path.read_text()
    path.write_text(before + "\n".join(lines) + "\n")
    try:
        return setting.load(home)
    finally:
        path.write_text(before)


def test_the_api_is_off_unless_an_address_is_named(tmp_path: Path) -> None:
    home = found(tmp_path, "arcadia", listens=False).home
    assert '# api_listen = ""' in (home / setting.FILE).read_text()
    assert setting.api_listen_at(load(home)) is None
    assert setting.api_listen_at(load(home, 'api_listen = "127.0.0.1:8461"')) == ("127.0.0.1", 8461)
    assert setting.api_listen_at(load(home, 'api_listen = "[::]:8461"')) == ("::", 8461)
    assert setting.api_listen_at(load(home, 'api_listen = "127.0.0.1:8461"', "plain_http = true")) is not None


@pytest.mark.parametrize(
    "lines",
    [
        ['api_listen = "8461"'], ['api_listen = "localhost:8461"'], ['api_listen = "127.0.0.1:99999"'],
        ['api_listen = "127.0.0.1:٣"'], ["api_listen = 8461"], ['api_listen = "192.0.2.1:8461"', "plain_http = true"],
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_is_named(tmp_path: Path, lines: list[str]) -> None:
    home = found(tmp_path, "arcadia", listens=False).home
    with pytest.raises(Misuse, match="api_listen|plain_http"):
        load(home, *lines)
