"""Uvicorn in the broker's event loop: bound by us, told to stop by us, its certificate kept fresh."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from pibramble.errors import MissingError, PibrambleError
from pibramble.gps.model import Origin, Source
from pibramble.gps.sources import LOCAL_GPSD
from pibramble.web import tls
from pibramble.web.listen import Listen
from pibramble.web.tls import Certificate
from pibramble.web.users import USERS_FILE, Users

if TYPE_CHECKING:
    import uvicorn

    from pibramble.console.broker import Broker

_LOOK_AT_CERTIFICATE_S = 60.0
_MOST_CONNECTIONS = 100
_LARGEST_MESSAGE_BYTES = 1 << 20

log = logging.getLogger("pibramble.web")


@attrs.frozen
class Settings:
    """Where and how the pages are served."""

    listen: Listen
    folder: Path  # users file and certificates
    certificate: Certificate | None = None  # that somebody brought
    receiver: Source = Source(Origin.GPSD, LOCAL_GPSD)


class Web:
    """The pages of one broker."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        """Prepare everything that can fail. Raises MissingError, UsageError, UsersFileError, PibrambleError."""
        _need_libraries()
        self._broker, self._settings = broker, settings
        users = Users(settings.folder / USERS_FILE)
        known = users.all()
        self.known = tuple(known)
        self.certificate = None if settings.listen.loopback and not settings.certificate else self._certificate()
        self._socket = _bind(settings.listen)
        self._users = users

    @property
    def address(self) -> str:
        """Return the address to type into a browser."""
        listen = self._settings.listen
        port = self._socket.getsockname()[1]
        host = "localhost" if listen.loopback else tls.names_for(listen)[0] if listen.every else str(listen.address)
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.certificate else 'http'}://{host}:{port}/"

    async def run(self) -> None:
        """Serve until cancelled."""
        server = self._server()
        fresh = asyncio.create_task(self._keep_certificate_fresh(server.config))
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            fresh.cancel()
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving

    def _server(self) -> uvicorn.Server:
        import uvicorn

        from pibramble.gps.feed import feed
        from pibramble.web.app import create
        from pibramble.web.consoles import Consoles
        from pibramble.web.gate import Gate
        from pibramble.web.receiver import Receiver

        gate = Gate(self._users, secure=self.certificate is not None)
        receiver = self._settings.receiver
        pages = [Consoles(self._broker, gate).page(), Receiver(lambda: feed(receiver), gate).page()]
        authority = self.certificate.authority if self.certificate else None
        config = uvicorn.Config(
            create(pages, gate, self._host_is_ours(), authority),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            http="h11",
            ws_max_size=_LARGEST_MESSAGE_BYTES,
            ws_per_message_deflate=False,  # a serial line is slow, and so is an old head
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
            ssl_certfile=str(self.certificate.chain) if self.certificate else None,
            ssl_keyfile=str(self.certificate.key) if self.certificate else None,
        )

        config.load()
        if config.ws_protocol_class:
            config.ws_protocol_class = forgiving(config.ws_protocol_class)

        # A browser that keeps an idle TLS connection answers no farewell: not to have waited for it is no trouble.
        logging.getLogger("uvicorn.error").addFilter(lambda record: not str(record.msg).startswith("Cancel %s running"))

        class Server(uvicorn.Server):
            """Leaves signals to the broker."""

            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        return Server(config)

    def _certificate(self) -> Certificate:
        return self._settings.certificate or tls.ensure(
            self._settings.folder / "tls", tls.names_for(self._settings.listen)
        )

    async def _keep_certificate_fresh(self, config: uvicorn.Config) -> None:
        """Renew it when it grows old, when the clock was set, and when this machine gets another address."""
        while self.certificate is not None and self.certificate.authority is not None:
            await asyncio.sleep(_LOOK_AT_CERTIFICATE_S)
            try:
                self.certificate = await asyncio.to_thread(self._certificate)
            except PibrambleError as error:
                log.warning("the certificate is not renewed: %s", error)
                continue
            if config.ssl is not None:
                config.ssl.load_cert_chain(self.certificate.chain, self.certificate.key)

    def _host_is_ours(self) -> Callable[[str], bool]:
        brought = self._settings.certificate is not None

        def is_ours(host: str) -> bool:
            with suppress(ValueError):
                ip_address(host)
                return True  # rebinding needs a name
            names = self.certificate.names if self.certificate else ("localhost",)
            return brought or host in names

        return is_ours


def forgiving(protocol: Any) -> Any:  # noqa: ANN401 (uvicorn's class for web sockets, whichever it has chosen)
    """Return it so that the server's end is none of a page's that is about to go by itself: uvicorn 0.54 stumbles."""
    from websockets.exceptions import InvalidState

    class Forgiving(protocol):  # type: ignore[misc]
        """Says no farewell where there has been one."""

        def shutdown(self) -> None:
            with suppress(InvalidState):
                super().shutdown()
            self.transport.close()

    return Forgiving


def _need_libraries() -> None:
    for name in ("starlette", "uvicorn", "websockets"):
        try:
            __import__(name)
        except ImportError:
            raise MissingError(
                f"the pages need the Python library {name}",
                hint="pip install 'pibramble[web]', on Debian apt install python3-starlette python3-uvicorn "
                "python3-websockets; --no-web does without pages",
            ) from None


def _bind(listen: Listen) -> socket.socket:
    family = socket.AF_INET if listen.address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((str(listen.address), listen.port))
        bound.listen()  # whoever reads the address may come at once; uvicorn answers when it is ready
    except OSError as error:
        bound.close()
        raise PibrambleError(
            f"cannot listen on {listen}: {(error.strerror or str(error)).lower()}",
            hint="--listen ADDRESS:PORT takes another",
        ) from None
    bound.set_inheritable(False)
    return bound
