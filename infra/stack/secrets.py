"""The secrets of an embedded stack: made once per data folder, kept in ``secrets.json`` with mode 600.

What the settings need (tokens, keys) stands under ``settings``; the login of the Label Studio page, which no
program needs, under ``label_studio``. Nothing here is ever printed or passed on a command line.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import InputError, in_words

__all__ = ["Secrets", "ensure_secrets", "ensure_site_key", "write_private"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secrets:
    """What the servers are started with."""

    path: Path
    label_studio_user: str
    label_studio_password: str
    label_studio_token: str
    mlflow_webhook_key: str
    s3_access_key: str
    s3_secret_key: str


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"secrets cannot be read: {in_words(error)}",
            file=str(path),
            expected="JSON; restore it from a backup",
        ) from error
    if not isinstance(data, dict):
        raise InputError("secrets are not an object", file=str(path), expected="a JSON object")
    return data


def ensure_secrets(home: Path, sites: Iterable[str]) -> Secrets:
    """Read the secrets of a data folder, and make those that are missing."""
    path = home / "secrets.json"
    data = _read(path)
    login = data.setdefault("label_studio", {})
    login.setdefault("username", "operator@bounds.localhost")
    login.setdefault("password", secrets.token_urlsafe(18))
    token = login.setdefault("token", secrets.token_hex(20))
    settings = data.setdefault("settings", {})
    settings.setdefault("release_secret", secrets.token_hex(32))
    settings.setdefault("webhook_secret", secrets.token_urlsafe(32))
    # MLflow keeps webhook secrets under this Fernet key; without one it could not read them after a restart.
    mlflow = data.setdefault("mlflow", {})
    mlflow.setdefault("webhook_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"))
    s3 = settings.setdefault("s3", {})
    s3.setdefault("access_key", secrets.token_hex(10))
    s3.setdefault("secret_key", secrets.token_urlsafe(30))
    known = {site["id"]: site for site in settings.setdefault("sites", [])}
    for site in sites:
        entry = known.setdefault(site, {"id": site})
        entry.setdefault("key", secrets.token_hex(32))
        entry["label_studio_token"] = token
    settings["sites"] = list(known.values())
    write_private(path, json.dumps(data, indent=2) + "\n")
    return Secrets(
        path=path,
        label_studio_user=login["username"],
        label_studio_password=login["password"],
        label_studio_token=token,
        mlflow_webhook_key=mlflow["webhook_key"],
        s3_access_key=s3["access_key"],
        s3_secret_key=s3["secret_key"],
    )


def ensure_site_key(home: Path, site: str) -> str:
    """The key of a site; made once per data folder, also by two processes at a time."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "secrets.json"
    descriptor = os.open(home / ".secrets.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        data = _read(path)
        sites = data.setdefault("settings", {}).setdefault("sites", [])
        entry = next((each for each in sites if each.get("id") == site), None)
        if entry is None:
            sites.append(entry := {"id": site})
        if not entry.get("key"):
            entry["key"] = secrets.token_hex(32)
            write_private(path, json.dumps(data, indent=2) + "\n")
        return str(entry["key"])
    finally:
        os.close(descriptor)
