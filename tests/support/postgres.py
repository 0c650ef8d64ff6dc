"""A real PostgreSQL server on loopback for the tests, run by a user without privileges."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = Path(os.environ.get("BOUNDS_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))


def is_installed() -> bool:
    return (BINARIES / "initdb").is_file()


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address (without a database) of a fresh server; it and its folder are gone afterwards."""
    # initdb refuses root; the folder must be one that another user can reach.
    folder = Path(tempfile.mkdtemp(prefix="bounds-postgres-", dir="/tmp"))
    user = _other_user() if os.geteuid() == 0 else None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = secrets.token_hex(12)
    secret = folder / "password"
    secret.write_text(password)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        for path in (folder, secret, data):
            os.chown(path, user.pw_uid, user.pw_gid)
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    process = None
    try:
        subprocess.run(
            [
                *(BINARIES / "initdb", "-D", data, "-U", "bounds", "--pwfile", secret, "--no-sync"),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
            **as_user,
        )
        process = subprocess.Popen(
            [
                *(BINARIES / "postgres", "-D", data, "-p", str(port), "-k", "", "-h", "127.0.0.1"),
                *("-c", "fsync=off", "-c", "max_connections=40"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **as_user,
        )
        _await(port, process)
        yield f"postgresql+psycopg2://bounds:{password}@127.0.0.1:{port}"
    finally:
        if process is not None:
            process.send_signal(3)  # at once: the folder goes too
            process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ready = subprocess.run(
            [BINARIES / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"], check=False, cwd="/"
        )
        if ready.returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start")
