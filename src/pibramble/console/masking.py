"""What must not stand in a log or a backup: passwords, and secrets in configurations.

A password that is typed does not come back from the device, so it is in no log. A configuration that is shown is. What
counts as a secret is data: `masking.toml`. A private key of many lines is known by its frame, and only where the whole
frame is in the same text.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import attrs

MASK = b"<removed>"

# A line that may hold a secret is kept back until it is whole, so that it can be masked; all others are logged at once.
# No rule finds a secret in a line without one of these: a test holds the two together.
# In small letters: searching a lowered copy is ten times as fast as searching regardless of case.
_HINT = re.compile(rb"pas|sec|com|snmp|key|psk|aut|priv|md5|sha|token|cred")

_RULES = Path(__file__).with_name("masking.toml")
_PEM = re.compile(rb"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL)


@attrs.frozen
class Rule:
    """One place where secrets stand; in the examples between « and »."""

    what: str
    pattern: re.Pattern[bytes]
    examples: tuple[str, ...]


@cache
def rules() -> tuple[Rule, ...]:
    """Read the rules."""
    said = tomllib.loads(_RULES.read_text(encoding="utf-8"))
    return tuple(Rule(rule["what"], _compiled(rule["pattern"]), tuple(rule["examples"])) for rule in said["rule"])


def may_hold_a_secret(text: bytes) -> bool:
    """Tell whether a line, or the beginning of one, must be kept back until it is whole, to be masked then."""
    return _HINT.search(text.lower()) is not None


def mask(text: bytes) -> bytes:
    """Return whole lines of a log or a configuration with their secrets taken out."""
    if not may_hold_a_secret(text):
        return text
    lines = _PEM.sub(rb"\1" + MASK + rb"\2", text).splitlines(keepends=True)
    return b"".join(_masked(line) if may_hold_a_secret(line) else line for line in lines)


def _masked(line: bytes) -> bytes:
    content = line.rstrip(b"\r\n")
    end = line[len(content) :]
    for rule in rules():
        content = rule.pattern.sub(_without_secret, content)
    return content + end


def _without_secret(found: re.Match[bytes]) -> bytes:
    begin, end = (place - found.start() for place in found.span("secret"))
    whole = found[0]
    return whole[:begin] + MASK + whole[end:]


def _compiled(pattern: str) -> re.Pattern[bytes]:
    blanks = re.sub(r" (\??)", lambda found: r"[ \t]*" if found[1] else r"[ \t]+", pattern)
    return re.compile(blanks.encode(), re.IGNORECASE)
