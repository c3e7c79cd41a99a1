"""What must not stand in a log or a backup: passwords, and secrets in configurations.

A password that is typed does not come back from the device, so it is in no log. A configuration that is shown is.
"""

from __future__ import annotations

import re

MASK = b"<removed>"

_HINT = re.compile(rb"password|secret|community|key|passphrase", re.IGNORECASE)
_SECRETS = re.compile(rb"\b(password|secret)( \d)? (\S+)", re.IGNORECASE)


def may_hold_a_secret(line: bytes) -> bool:
    """Tell whether a line, or the beginning of one, must be kept back until it is whole, to be masked then."""
    return _HINT.search(line) is not None


def mask(text: bytes) -> bytes:
    """Return whole lines of a log or a configuration with their secrets taken out."""
    return _SECRETS.sub(rb"\1\2 " + MASK, text)
