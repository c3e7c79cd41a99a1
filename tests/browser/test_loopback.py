"""At loopback no password is asked for: who is let in nevertheless, and who is not."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.browser import stage
from tests.browser.conftest import Open
from tests.browser.stage import Stage

needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("curl"), reason="only root can be somebody else")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    begun = stage.begin(tmp_path_factory.mktemp("local"), ["sw1"], "--listen", "127.0.0.1:0")
    yield begun
    begun.end()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another site, on another port of this machine."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text("<title>Another site</title>")
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    [port] = re.findall(r"port (\d+)", server.stdout.readline())
    yield f"http://localhost:{port}"
    server.kill()
    server.communicate()


TRY_SOCKET = """address => new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("closed");
})"""


def test_another_sites_page_reaches_nothing(local: Stage, elsewhere: str, open_page: Open) -> None:
    address = local.address.replace("http", "ws") + "/socket"
    page = open_page(local.address, refusals=True)
    assert page.evaluate(TRY_SOCKET, address) == "open"
    page.goto(elsewhere)
    assert page.evaluate(TRY_SOCKET, address) == "closed"
    post = "a => fetch(a, {method: 'POST', body: 'name=a&password=b', mode: 'no-cors'}).then(() => 'sent', () => 'no')"
    page.evaluate(post, f"{local.address}/login")
    frame = "a => { const f = document.createElement('iframe'); f.src = a; document.body.append(f); }"
    page.evaluate(frame, local.address)
    page.wait_for_timeout(500)
    assert all("Consoles" not in (frame.content() if frame.url else "") for frame in page.frames[1:])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),  # a name that was rebound to 127.0.0.1
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "localhost:1234"}, 200),  # a port that ssh forwards
    ],
)
def test_another_name_of_this_address_reaches_nothing(local: Stage, headers: dict[str, str], status: int) -> None:
    host = local.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/", headers=headers)
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"].count("'self'") == 6
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_post_from_elsewhere_is_refused(local: Stage, origin: str) -> None:
    connection = http.client.HTTPConnection(local.address.removeprefix("http://"), timeout=10)
    connection.request("POST", "/logout", headers={"Origin": origin})
    assert connection.getresponse().status == 403


@needs_root
def test_another_account_of_this_machine_has_to_log_in(local: Stage) -> None:
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", local.address]
    ours = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    strangers = subprocess.run(
        argv, capture_output=True, text=True, timeout=20, check=True, user=65534, group=65534, extra_groups=[]
    )
    assert ours.stdout.startswith("200 ")
    assert strangers.stdout.startswith("303 ")
    assert strangers.stdout.endswith("/login")


@needs_root
def test_a_token_opens_the_door_to_programs(local: Stage) -> None:
    token = local.pibramble("serve", "user", "add", "robot", "--token").strip()
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", local.address]
    for header, status in ((f"Authorization: Bearer {token}", "200"), ("Authorization: Bearer no", "303")):
        done = subprocess.run(
            [*argv, "-H", header], capture_output=True, text=True, timeout=20, check=True, user=65534, group=65534,
            extra_groups=[],
        )  # fmt: skip
        assert done.stdout == status
    assert token not in next((local.folder / "state").rglob("users.toml")).read_text()
