"""What runs inside the server's own environment: Argilla's web server, or its worker, on a home directory of ours.

    python -P launch.py web --home DIR --engine FILE --address URL --socket FD --ready FD
    python -P launch.py worker --home DIR --engine FILE
    python -P launch.py check --home DIR --engine FILE        (loads all of it, and ends)

The first two are started by `supervisor.py`, which keeps Redis beside them. This file imports nothing of ours: it runs
under another interpreter, with argilla-server 2.8.0 and without our packages. Argilla's own files are not changed. What
is set here is what its settings offer, and what they do not: a search engine of ours, SQLite made safe for several
processes, logs without anybody's words, and pages that load nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import ctypes
import gc
import hashlib
import importlib.util
import logging
import os
import re
import signal
import socket
import sqlite3
import sys
import types
from pathlib import Path
from typing import Any

OWNER = "owner"
DATABASE = "argilla.db"
REDIS_SOCKET = "redis/redis.sock"
HERE = "/proc/self/cwd"  # the current directory of each process
PR_SET_PDEATHSIG = 1
NOT_HERE = "This server does not exchange datasets with an outside hub: what people wrote stays on this machine."
HUB_ROUTES = re.compile(r"/api/v1/datasets/[^/]+/(import|export)/?")


def main() -> None:
    """Run the part that the command line names, until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["web", "worker", "check"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--engine", type=Path, required=True, help="file that registers the search engine `sqlite`")
    parser.add_argument("--address", default="", help="host that browsers ask for; empty: any")
    parser.add_argument("--socket", type=int, help="listening socket, inherited")
    parser.add_argument("--ready", type=int, help="pipe, inherited: told once pages are served")
    given = parser.parse_args()
    os.chdir(given.home)
    gc.disable()  # while 40,000 objects that stay are made: a tenth of the start
    configure_environment(given.home)
    configure_logs()
    leave_out()
    if given.part == "worker":
        sys.modules["argilla_server._app"] = types.ModuleType("argilla_server._app")  # the package imports its pages
        vars(sys.modules["argilla_server._app"])["app"] = None
    load("search_engine", given.engine)  # it registers itself as `sqlite`
    configure_database()
    if given.part == "check":
        check()
    elif given.part == "worker":
        run_worker()
    else:
        prepare(given.home)
        run_web(given.address, socket.socket(fileno=given.socket), given.ready)


def configure_environment(home: Path) -> None:
    """Argilla's settings, before it is imported. The secret is read here, so that no process list ever shows it."""
    secret = (home / "credentials" / "auth_secret").read_text().strip()
    os.environ.update(
        ARGILLA_HOME_PATH=str(home),
        # The home is the current directory, whatever characters its path has. IMMEDIATE: writers wait for each other
        # when they begin, instead of failing midway.
        ARGILLA_DATABASE_URL=f"sqlite+aiosqlite:///{HERE}/{DATABASE}?check_same_thread=False&isolation_level=IMMEDIATE",
        ARGILLA_DATABASE_SQLITE_TIMEOUT="30",
        ARGILLA_SEARCH_ENGINE="sqlite",
        ARGILLA_REDIS_URL=f"unix://{HERE}/{REDIS_SOCKET}",  # a socket's path may have some 100 characters
        ARGILLA_CORS_ORIGINS="[]",
        ARGILLA_AUTH_SECRET_KEY=secret,
        ARGILLA_ENABLE_SHARE_YOUR_PROGRESS="false",
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )


class Wordless(logging.Formatter):
    """Log lines without the text of errors: libraries put values into it, and so messages.

    Of lines that are not known to quote nobody, only where they come from is kept.
    """

    KNOWN = frozenset({"launch", "search_engine", "uvicorn.error"})

    def format(self, record: logging.LogRecord) -> str:
        """One line, and under it which error it was and through which lines it came."""
        line = f"{self.formatTime(record)} {record.levelname} {record.name}"
        known = record.name in self.KNOWN
        line += f": {record.getMessage().strip()}" if known else f" at {record.pathname}:{record.lineno}"
        return "\n".join([line, *self._error(record)])

    def _error(self, record: logging.LogRecord) -> list[str]:
        kind, _, trace = record.exc_info or (None, None, None)
        if kind is None:
            return []
        frames = []
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"  {code.co_filename}:{trace.tb_lineno} {code.co_name}")
            trace = trace.tb_next
        return [f"  {kind.__name__}", *frames[-8:]]


def configure_logs() -> None:
    """One handler on standard error, which the supervisor keeps in `log/`."""
    handler = logging.StreamHandler()
    handler.setFormatter(Wordless())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: logging.getLogger("launch").critical("ended by an error", exc_info=error)


def leave_out() -> None:
    """Stand in for the parts of Argilla that are not used here: Elasticsearch, OpenSearch and Hugging Face's hub.

    They would take two seconds of every start. The hub's part could also send what people wrote to an outside host.
    """

    def absent(name: str) -> type:
        def refuse(self: object, *_: object, **__: object) -> None:
            raise RuntimeError(NOT_HERE)

        return type(name, (), {"__init__": refuse})

    for module, names in {
        "argilla_server.contexts.hub": ("HubDataset", "HubDatasetExporter"),
        "argilla_server.search_engine.elasticsearch": ("ElasticSearchEngine",),
        "argilla_server.search_engine.opensearch": ("OpenSearchEngine",),
    }.items():
        stand_in = types.ModuleType(module)
        vars(stand_in).update({name: absent(name) for name in names})
        sys.modules[module] = stand_in


def load(name: str, path: Path) -> types.ModuleType:
    """Import a module from its file: none of our directories is where this interpreter looks for modules."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configure_database() -> None:
    """SQLite for several processes at once, and errors of SQL without the values that were in it.

    WAL: readers and the writer do not wait for each other. `synchronous=FULL`: a commit is on the disk before it is
    acknowledged, so that an answer outlives a crash of the process and of the machine.
    """
    from argilla_server import database
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def pragmas(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    for engine in (database.sync_engine, database.async_engine.sync_engine):
        engine.hide_parameters = True


def prepare(home: Path) -> None:
    """Bring the database to the server's version, and make the owner's account as the credentials have it."""
    from argilla_server.database import ALEMBIC_CONFIG_FILE

    if not _at_head(home / DATABASE, Path(ALEMBIC_CONFIG_FILE).parent / "alembic" / "versions"):
        import alembic.command
        import alembic.config

        config = alembic.config.Config()  # not from its file, which would also set up logs its own way
        config.set_main_option("script_location", str(Path(ALEMBIC_CONFIG_FILE).parent / "alembic"))
        alembic.command.upgrade(config, "head")
    asyncio.run(_make_owner(home / "credentials"))


def _at_head(database: Path, versions: Path) -> bool:
    """Whether every migration has been applied: the revision that no other one follows is the database's own."""
    if not database.is_file():
        return False
    texts = [path.read_text(encoding="utf-8") for path in versions.glob("*.py")]
    pattern = r"^{} = [\"']([0-9a-f]+)[\"']"
    made = {found for text in texts for found in re.findall(pattern.format("revision"), text, re.M)}
    followed = {found for text in texts for found in re.findall(pattern.format("down_revision"), text, re.M)}
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            at = {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}
        except sqlite3.OperationalError:
            return False
    return at == made - followed


async def _make_owner(credentials: Path) -> None:
    """The one account that always exists. Credentials that were made anew replace what the database knows."""
    from argilla_server.contexts import accounts
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.enums import UserRole
    from argilla_server.models import User

    api_key = (credentials / "api_key").read_text().strip()
    async with AsyncSessionLocal() as db:
        owner = await User.get_by(db, username=OWNER)
        if owner is not None and owner.api_key == api_key:
            return
        password = accounts.hash_password((credentials / "password").read_text().strip())
        known = {"password_hash": password, "api_key": api_key, "role": UserRole.owner}
        if owner is None:
            await User.create(db, username=OWNER, first_name=OWNER, **known)
        else:
            await owner.update(db, **known)


def run_web(address: str, listening: socket.socket, ready: int) -> None:
    """Argilla's pages and API on a socket that is listening already, until SIGTERM.

    A request that comes while this process is being replaced waits in the socket's queue instead of being refused.
    """
    import uvicorn
    from argilla_server._app import app
    from argilla_server.api.routes import api_v1

    pages = next(route.app.directory for route in app.routes if route.name == "static")
    guarded = Guard(app, address, inline_scripts=_without_outside_hosts(Path(pages)))
    # Their pages come from an outside host, and the API's description is documented elsewhere.
    api_v1.router.routes[:] = [route for route in api_v1.router.routes if route.path not in ("/docs", "/redoc")]
    load("privacy", Path(__file__).with_name("privacy.py")).protect(api_v1)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                os.write(ready, b"1")

    config = uvicorn.Config(
        guarded, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    let_collect()
    Server(config).run(sockets=[listening])


def _without_outside_hosts(pages: Path) -> list[str]:
    """Take the two web fonts out of the pages' style sheets, and list the scripts that stand in the pages themselves.

    A browser that cannot reach the fonts' host would wait for it, before an empty page.

    Returns:
        SHA-256 of each script, as a Content-Security-Policy wants it.
    """
    for sheet in pages.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        inside = re.sub(r"@import url\(https?://[^)]*\);?", "", text)
        if inside != text:
            sheet.write_text(inside, encoding="utf-8")
    scripts = set()
    for page in pages.rglob("*.html"):
        scripts.update(re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.S))
    return sorted(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)


class Guard:
    """Around the server: who may ask, what pages may load, and two routes that are closed.

    A page that is made to look at this address under another name (DNS rebinding) is refused, a message that asks the
    browser for a picture or a script from elsewhere gets none, and nothing is sent to an outside hub.

    Args:
        app: The server.
        address: Host name under which it is asked; empty where it is open to the network under names unknown to us.
        inline_scripts: SHA-256, Base64, of the scripts in the server's own pages.
    """

    def __init__(self, app: Any, address: str, inline_scripts: list[str]) -> None:
        self.app = app
        self.hosts = {address.lower(), "127.0.0.1", "localhost", "[::1]"} if address else set()
        hashes = " ".join(f"'sha256-{digest}'" for digest in inline_scripts)
        self.headers = [
            (
                b"content-security-policy",
                f"default-src 'self'; script-src 'self' 'unsafe-eval' {hashes}; style-src 'self' 'unsafe-inline'; "
                "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
                "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
                "frame-ancestors 'none'".encode(),
            ),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Answer a request; see https://asgi.readthedocs.io for the arguments."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        if self.hosts and re.sub(r":\d+$", "", host) not in self.hosts:
            await self._refuse(send, 400, "This server is not known by that name.")
        elif scope["method"] != "GET" and HUB_ROUTES.fullmatch(scope["path"]):
            await self._refuse(send, 403, NOT_HERE)
        else:

            async def send_guarded(message: dict) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", []), *self.headers]
                await send(message)

            await self.app(scope, receive, send_guarded)

    async def _refuse(self, send: Any, status: int, sentence: str) -> None:
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": [*kind, *self.headers]})
        await send({"type": "http.response.body", "body": b'{"detail": "%s"}' % sentence.encode()})


def run_worker() -> None:
    """Argilla's background jobs, each in a process of its own, until SIGTERM.

    A job that a killed worker left behind begins anew: there is no other worker that could be at it.
    """
    from argilla_server.jobs import dataset_jobs, webhook_jobs  # noqa: F401 (imported once, before each job's fork)
    from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
    from rq import Worker
    from rq.worker_registration import clean_worker_registry

    parent = os.getpid()
    os.register_at_fork(after_in_child=lambda: die_with_parent(signal.SIGKILL, parent))
    for queue in (DEFAULT_QUEUE, HIGH_QUEUE):
        clean_worker_registry(queue)
        started = queue.started_job_registry
        for job_id in started.get_job_ids():
            job = queue.fetch_job(job_id)
            started.remove(job_id)
            if job is not None:
                queue.enqueue_job(job, at_front=True)
    let_collect()
    worker = Worker([HIGH_QUEUE, DEFAULT_QUEUE], connection=REDIS_CONNECTION, log_job_description=False)
    worker.work(with_scheduler=True, logging_level="WARNING")


def check() -> None:
    """Load what the other parts load: what is missing shows at installation, and the first start is fast."""
    for module in ("alembic.command", "argilla_server._app", "rq.worker", "uvicorn.loops.uvloop"):
        importlib.import_module(module)
    importlib.import_module("uvicorn.protocols.http.httptools_impl")


def let_collect() -> None:
    """Have garbage collected again; what was loaded until now is no garbage and need not be looked at."""
    gc.freeze()
    gc.enable()


def die_with_parent(number: int, parent: int) -> None:
    """Let the kernel send this process a signal when its parent is gone, however that came about (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main()
