"""Who is let in from a network: over TLS, with a password, as far as his rights go."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser import stage
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Open
from tests.browser.hand import send_line, shows, take_control
from tests.browser.stage import Stage

ADDRESS = "192.168.77.1"  # of a network namespace that ends with the tests
PASSWORD = "correct horse battery"  # noqa: S105 (of nobody)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")


class Network:
    """A network namespace with one address; nothing leaves it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.prefix = ["nsenter", "-t", str(self._holder.pid), "-n"]
        stage.wait_until(lambda: self._namespace() != Path("/proc/self/ns/net").readlink())
        for command in ("ip link set lo up", f"ip address add {ADDRESS}/32 dev lo"):
            subprocess.run([*self.prefix, *command.split()], check=True, timeout=10)

    def _namespace(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/ns/net").readlink()

    def end(self) -> None:
        self._holder.kill()
        self._holder.wait()


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.end()


@pytest.fixture(scope="module")
def bench(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("entrance")
    stage.write_cluster(folder, {})
    for words in (
        ("add", "ada"),
        ("add", "guest", "--read", "sw1"),
        ("add", "bob"),
    ):
        subprocess.run(
            stage.command(folder, "serve", "user", *words, "--password-stdin"),
            input=f"{PASSWORD}\n", env=stage.environment(folder), check=True, text=True, timeout=30,
        )  # fmt: skip
    begun = stage.begin(folder, ["sw1", "sw2"], "--listen", f"{ADDRESS}:0", prefix=network.prefix)
    yield begun
    begun.end()


@pytest.fixture(scope="module")
def browser(playwright: Playwright, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium within the network, in the place of the one outside."""
    inside = tmp_path_factory.mktemp("chromium") / "chromium"
    inside.write_text(f'#!/bin/sh\nexec {" ".join(network.prefix)} {CHROMIUM} "$@"\n')
    inside.chmod(0o755)
    browser = playwright.chromium.launch(executable_path=str(inside), args=ARGUMENTS)
    yield browser
    browser.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def open_safely(open_page: Open) -> Open:
    def open_(address: str, **options: object) -> Page:
        return open_page(address, ignore_https_errors=True, **options)

    return open_


def test_the_way_in_is_tls_with_the_fingerprint_that_was_printed(bench: Stage, network: Network) -> None:
    host, _, port = bench.address.removeprefix("https://").partition(":")
    authority = next((bench.folder / "state").rglob("authority.crt"))
    judge = ["openssl", "s_client", "-connect", f"{host}:{port}", "-verify_return_error", "-verify_ip", ADDRESS]
    judged = subprocess.run(
        [*network.prefix, *judge, "-CAfile", str(authority)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in judged.stdout
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(authority), "-noout", "-fingerprint", "-sha256"],
        capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    assert shown.stdout.partition("=")[2].strip() in bench.said


def test_a_wrong_password_is_refused_and_the_right_one_leads_on(bench: Stage, open_safely: Open) -> None:
    page = open_safely(f"{bench.address}/console/sw1", phone=True)
    expect(page).to_have_url(re.compile(r"/login\?next=/console/sw1$"))
    log_in(page, "ada", "wrong horse battery")
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    assert PASSWORD not in page.url
    log_in(page, "ada")
    expect(page).to_have_url(f"{bench.address}/console/sw1")
    take_control(page)
    send_line(page, "echo over t''ls")
    shows(page, "over tls")
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (
        "__Host-pibramble", True, True, "Strict",
    )  # fmt: skip


def test_who_may_only_watch_sees_one_port_and_gets_no_control(bench: Stage, open_safely: Open) -> None:
    page = open_safely(bench.address)
    log_in(page, "guest")
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.goto(f"{bench.address}/console/sw1")
    page.get_by_role("button", name="Take control").click()
    expect(page.locator("#said")).to_contain_text("you may only read sw1")
    assert page.goto(f"{bench.address}/console/sw2").status == 404  # type: ignore[union-attr]
    assert page.goto(f"{bench.address}/console/sw2/log").status == 404  # type: ignore[union-attr]


def test_whoever_is_removed_is_out_within_seconds(bench: Stage, open_safely: Open) -> None:
    page = open_safely(bench.address)
    log_in(page, "bob")
    page.goto(f"{bench.address}/console/sw1")
    expect(page.locator("#state")).to_have_text("open")
    bench.pibramble("serve", "user", "remove", "bob")
    expect(page).to_have_url(re.compile("/login"), timeout=15_000)
    log_in(page, "bob")
    expect(page.get_by_role("alert")).to_contain_text("do not go together")


def test_logging_out_ends_the_session(bench: Stage, open_safely: Open) -> None:
    page = open_safely(bench.address)
    log_in(page, "ada")
    [cookie] = page.context.cookies()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": bench.address, "secure": True}])
    page.goto(bench.address)
    expect(page).to_have_url(re.compile("/login"))


def test_guessing_is_slowed_down(bench: Stage, network: Network) -> None:
    """From an address of its own, so that the other tests' browser is not held up."""
    subprocess.run([*network.prefix, "ip", "address", "add", "192.168.77.9/32", "dev", "lo"], check=True, timeout=10)
    guess = ["curl", "-sk", "--interface", "192.168.77.9", "-o", "/dev/null", "-w", "%{http_code} ", "--data"]
    codes = ""
    began = time.monotonic()
    for number in range(7):
        argv = [*network.prefix, *guess, f"name=ada&password=guess{number}", f"{bench.address}/login"]
        codes += subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True).stdout
    assert codes.startswith("403 403 403 403 403 ")
    assert "429" in codes or time.monotonic() - began > 2


def test_without_users_nobody_gets_in_until_somebody_is_added(
    network: Network, tmp_path: Path, open_safely: Open
) -> None:
    empty = stage.begin(tmp_path, ["sw1"], "--listen", f"{ADDRESS}:0", prefix=network.prefix)
    try:
        page = open_safely(empty.address)
        log_in(page, "ada")
        expect(page.get_by_role("alert")).to_contain_text("do not go together")
        empty.pibramble("serve", "user", "add", "ada", "--password-stdin", stdin=f"{PASSWORD}\n")
        log_in(page, "ada")
        expect(page.get_by_role("heading", name="Consoles")).to_be_visible()
        page.close()
    finally:
        empty.end("nobody can log in yet: pibramble serve user add NAME")
