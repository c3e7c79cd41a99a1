"""What ssh says when a connection would not open, in words that tell a person what to look at."""

from __future__ import annotations

import re

STRANGER = "it does not prove itself with this cluster's certificate: another cluster's card, or an impostor"
UNKNOWN_KEY = "it does not take this cluster's key: its card was made with other keys"

# The first that fits anything ssh said counts. The patterns are OpenSSH's own messages (sshconnect.c, kex.c, packet.c)
# and the C library's; an sshd without a certificate of ours cannot even agree on a kind of host key with us.
_WORDS = (
    (
        r"host key verification failed|no matching host key type|certificate invalid|identification has changed",
        STRANGER,
    ),
    (r"permission denied \(", UNKNOWN_KEY),
    (r"could not resolve hostname", "nobody knows that name: an address does without"),
    (r"connection refused", "it refuses the connection: sshd does not run there, or not yet"),
    (r"no route to host|network is unreachable", "nobody answers at its address: no power, no link, or still starting"),
    (r"timed out|did not answer in time", "no answer in time: no power, another address, or a board that is very busy"),
    (
        r"connection (?:reset|closed)|broken pipe",
        "it hung up: still starting, or there is another service at that port",
    ),
)


def explain(said: str) -> str:
    """Return the reason for what ssh said; its own last line where we know no better."""
    for pattern, words in _WORDS:
        if re.search(pattern, said, re.IGNORECASE):
            return words
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "ssh gave no reason"
