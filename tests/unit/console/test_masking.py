"""Secrets are taken out of configurations and logs; everything else stays as it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console.masking import MASK, Rule, mask, may_hold_a_secret, rules

EXAMPLES = [(rule, example) for rule in rules() for example in rule.examples]


def bare(example: str) -> bytes:
    return example.replace("«", "").replace("»", "").encode()


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_the_secret_of_each_example_goes_and_the_rest_stays(rule: Rule, example: str) -> None:
    assert mask(bare(example)) == re.sub("«[^»]*»", MASK.decode(), example).encode()
    assert rule.pattern.search(bare(example)), "another rule did it: this example shows nothing"


@pytest.mark.parametrize(("_rule", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_a_log_keeps_every_line_back_that_a_rule_may_change(_rule: Rule, example: str) -> None:
    secret = example.index("«")
    assert may_hold_a_secret(example[:secret].encode()), "the secret would be logged before it is known as one"


@pytest.mark.parametrize(
    "prose",
    [
        "systemd[1]: Started systemd-ask-password-console.path - Dispatch Password Requests to Console.",
        "Hit any key to stop autoboot:  3",
        "Press RETURN to get started!",
        "% Bad passwords",
        "Password required, but none set",
        "Username: Password: ",
        "service password-encryption",
        "no service password-encryption",
        "key chain ospf",
        " key 1",
        "aaa authentication login default local",
        "ip ospf authentication message-digest",
        "crypto key generate rsa modulus 2048",
        "crypto pki trustpoint TP-self-signed-1",
        "snmp-server location rack 4",
        "[    1.234567] Key type dns_resolver registered",
        "The authenticity of host 'sw1' can't be established.",
        "security passwords min-length 8",
    ],
)
def test_prose_stays_as_it_is(prose: str) -> None:
    assert mask(prose.encode()) == prose.encode()


@given(
    st.lists(st.sampled_from([bare(example) for _, example in EXAMPLES]), max_size=5), st.sampled_from([b"\n", b"\r\n"])
)
def test_what_is_masked_is_masked_for_good_and_keeps_its_lines(lines: list[bytes], end: bytes) -> None:
    once = mask(end.join(lines))
    assert mask(once) == once
    assert once.count(end) == max(len(lines) - 1, 0)


@given(st.binary(max_size=300))
def test_binary_noise_is_no_trouble(noise: bytes) -> None:
    assert mask(mask(noise)) == mask(noise)


def test_a_private_key_goes_frame_stays() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----\n"
    assert (
        mask(b"a\n" + key + b"b\n") == b"a\n-----BEGIN RSA PRIVATE KEY-----<removed>-----END RSA PRIVATE KEY-----\nb\n"
    )


def test_a_corrected_password_leaves_nothing_behind() -> None:
    assert (
        mask(b"sw1(config)#enable secret hunt\x08 \x08\x08 \x08ey99\r\n") == b"sw1(config)#enable secret <removed>\r\n"
    )
