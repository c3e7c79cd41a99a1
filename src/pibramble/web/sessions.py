"""Who is logged in: in memory, so that the end of the broker is the end of every session."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

import attrs

IDLE_S = 12 * 3600.0
LONGEST_S = 7 * 24 * 3600.0
_MOST = 1000


@attrs.define
class Session:
    """Somebody's login, from one browser."""

    name: str
    password: str  # the hash that he logged in by: a changed password ends the session
    began_s: float
    used_s: float


class Sessions:
    """All sessions by the secret in their cookie."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, name: str, password: str) -> str:
        """Begin a session, and return its secret."""
        now = self._clock()
        secret = secrets.token_urlsafe(32)
        self._sessions[secret] = Session(name, password, now, now)
        if len(self._sessions) > _MOST:
            self._sessions.popitem(last=False)
        return secret

    def find(self, secret: str) -> Session | None:
        """Return a session that has not run out."""
        session = self._sessions.get(secret)
        if session is None:
            return None
        now = self._clock()
        if now - session.used_s > IDLE_S or now - session.began_s > LONGEST_S:
            del self._sessions[secret]
            return None
        session.used_s = now
        return session

    def end(self, secret: str) -> None:
        """Log out."""
        self._sessions.pop(secret, None)
