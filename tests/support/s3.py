"""Real S3 servers on loopback for the tests: rclone's (signatures) and moto's (versions)."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from infra.objects_s3 import S3Store
from infra.s3 import Retries, client


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running S3 server."""

    endpoint: str
    access_key: str
    secret_key: str
    files: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def client(self, **over: str):
        keys = {"access_key": self.access_key, "secret_key": self.secret_key, **over}
        return client(endpoint=self.endpoint, region="us-east-1", timeout=10, **keys)

    def store(self, bucket: str, **retries: object) -> S3Store:
        store = S3Store(_client(self), bucket, prefix="objects", retries=Retries(pause=0.01, **retries))
        store.require_bucket(create=True)
        return store


@cache
def _client(server: Server):
    # A client takes half a second to make.
    return server.client()


@contextmanager
def rclone_server(folder: Path) -> Iterator[Server]:
    """``rclone serve s3`` over ``folder`` with random keys, on a free port."""
    program = Path(sys.executable).with_name("rclone")
    access_key, secret_key = secrets.token_hex(8), secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [
            *(program, "serve", "s3", str(folder), "--addr", "127.0.0.1:0"),
            *("--auth-key", f"{access_key},{secret_key}", "--config", "", "-v"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        endpoint = None
        said = []
        for line in process.stderr:
            said.append(line.decode())
            if found := re.search(rb"http://127\.0\.0\.1:\d+", line):
                endpoint = found[0].decode()
                break
        if endpoint is None:
            raise RuntimeError("rclone did not start: " + "".join(said))
        # A full pipe would stop the server: what it logs is read to the end.
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        yield Server(
            endpoint=endpoint, access_key=access_key, secret_key=secret_key, files=folder, process=process
        )
    finally:
        process.terminate()
        process.wait(timeout=10)
        reader.join(timeout=10)
        process.stderr.close()


@contextmanager
def moto_server() -> Iterator[Server]:
    """moto's S3 server in this process, on a free port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Server(endpoint=f"http://{host}:{port}", access_key="test", secret_key="test")
    finally:
        server.stop()
