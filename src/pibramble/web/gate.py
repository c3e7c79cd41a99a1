"""Who somebody is: by his session, by a token, or by the account that the kernel sees at the other end of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from pibramble.errors import PibrambleError
from pibramble.web import passwords, peer
from pibramble.web.access import Person
from pibramble.web.limits import Limiter
from pibramble.web.sessions import LONGEST_S, Sessions

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

    from pibramble.web.users import User, Users

_FREE_BY_ADDRESS = 5
_FREE_BY_NAME = 20  # more: or else anybody could keep somebody out by trying his name
_MOST_WAITING = 8  # logins at once; each takes the processor for its time


@attrs.frozen
class Denied:
    """Why somebody is not let in."""

    message: str
    wait_s: float = 0


class Gate:
    """Lets people in."""

    def __init__(
        self,
        users: Users,
        *,
        secure: bool,
        uid: Callable[[tuple[str, int], tuple[str, int]], int | None] = peer.uid,
    ) -> None:
        """Know `users`; `secure`: over TLS, where a cookie must never travel without."""
        self.users = users
        self.secure = secure
        self._uid = uid
        self._sessions = Sessions()
        self._by_address, self._by_name = Limiter(_FREE_BY_ADDRESS), Limiter(_FREE_BY_NAME)
        self._nobodys = passwords.nobodys()
        self._trying = asyncio.Semaphore(1)
        self._waiting = 0

    @property
    def cookie(self) -> str:
        """Return the cookie's name: browsers hold `__Host-` to TLS, this host and no subdomain (RFC 6265bis)."""
        return "__Host-pibramble" if self.secure else "pibramble"

    def who(self, connection: HTTPConnection) -> Person | None:
        """Return who is at the other end. Raises UsersFileError."""
        if secret := connection.cookies.get(self.cookie):
            session = self._sessions.find(secret)
            user = self.users.all().get(session.name) if session else None
            if session and user and user.password == session.password:
                return user.person
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (user := self.users.by_token(token.strip())):
            return user.person
        return self._local(connection)

    def is_still(self, connection: HTTPConnection, person: Person) -> bool:
        """Tell whether somebody may still be here, with the same rights; a damaged users file lets nobody in."""
        try:
            return self.who(connection) == person
        except PibrambleError:
            return False

    def has_session(self, connection: HTTPConnection) -> bool:
        """Tell whether somebody logged in, and so can log out."""
        return self._sessions.find(connection.cookies.get(self.cookie, "")) is not None

    def _local(self, connection: HTTPConnection) -> Person | None:
        client, server = connection.client, connection.scope.get("server")
        if client is None or server is None or server[1] is None:
            return None
        uid = self._uid((client.host, client.port), (server[0], server[1]))
        return Person(peer.account(uid)) if uid is not None and uid in peer.trusted_uids() else None

    async def log_in(self, name: str, password: str, address: str) -> str | Denied:
        """Return the secret of a new session, or why there is none. Raises UsersFileError."""
        wait_s = max(self._by_address.wait_s(address), self._by_name.wait_s(name))
        if wait_s:
            return Denied("Too many tries", wait_s)
        if self._waiting >= _MOST_WAITING:
            return Denied("Too many people at once", 5)
        self._by_address.tried(address)
        self._by_name.tried(name)
        user: User | None = self.users.all().get(name)
        kept = user.password if user and user.password else self._nobodys
        self._waiting += 1
        try:
            async with self._trying:
                fits = await asyncio.to_thread(passwords.fits, password, kept)
        finally:
            self._waiting -= 1
        if not fits or user is None:
            return Denied("This name and this password do not go together")
        self._by_address.succeeded(address)
        self._by_name.succeeded(name)
        return self._sessions.begin(name, user.password)

    def remember(self, response: Response, secret: str) -> None:
        """Give the browser its cookie."""
        response.set_cookie(
            self.cookie, secret, max_age=int(LONGEST_S), path="/", secure=self.secure, httponly=True, samesite="strict"
        )

    def log_out(self, connection: HTTPConnection, response: Response) -> None:
        """End the session, and take the cookie back."""
        self._sessions.end(connection.cookies.get(self.cookie, ""))
        response.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="strict")
