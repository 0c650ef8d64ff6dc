"""Finds the Label Studio server, and keeps an empty migrated database beside it.

Label Studio's first start on SQLite runs some 400 migrations, 40 to 140 seconds. The result is the same
for everybody, so it is made once per version: migrations only, no user, no organisation, no secret key. A new
data folder starts from a copy. ``python -m infra.stack template`` makes it ahead of the first start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from governance.errors import InputError, OutsideError
from infra.stack.process import log_tail

__all__ = ["QUIET", "LabelStudio", "find_label_studio"]

# Telemetry of the server and of its page is off only when each of these is set.
QUIET: Mapping[str, str] = {
    "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
    "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
    "LABEL_STUDIO_SENTRY_DSN": "",
    "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStudio:
    """An installed Label Studio server."""

    program: Path
    python: Path
    package: Path
    version: str
    templates: Path

    @property
    def template(self) -> Path:
        """The empty migrated database of this version."""
        return self.templates / f"template-{self.version}.sqlite3"

    def make_template(self) -> Path:
        """Make the empty database if it is not there yet; one process does, others wait for it.

        Raises:
            OutsideError: The migrations failed; the end of their output is in the message.
        """
        with _locked(self.templates / ".lock"):
            for left in self.templates.glob(".making-*"):  # of a process that was killed over it
                shutil.rmtree(left, ignore_errors=True)
            if not self.template.is_file():
                with tempfile.TemporaryDirectory(dir=self.templates, prefix=".making-") as scratch:
                    self._migrate(Path(scratch))
                    (Path(scratch) / "label_studio.sqlite3").replace(self.template)
        return self.template

    def seed(self, folder: Path) -> None:
        """Give a new data folder its database; one that has one keeps it."""
        database = folder / "label_studio.sqlite3"
        if not database.exists():
            fresh = folder / ".label_studio.sqlite3.new"
            shutil.copyfile(self.make_template(), fresh)
            fresh.replace(database)

    def _migrate(self, folder: Path) -> None:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO_")},
            **QUIET,
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "label_studio.core.settings.label_studio",
            "LOG_LEVEL": "WARNING",
        }
        log = folder / "migrate.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [str(self.python), "manage.py", "migrate", "--no-color", "--verbosity", "0"],
                cwd=self.package,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise OutsideError(f"Label Studio's migrations failed ({done.returncode}):\n{log_tail(log)}")


def find_label_studio() -> LabelStudio:
    """The server of ``BOUNDS_LABEL_STUDIO``, or of ``.venv-label-studio`` beside the checkout or environment.

    Raises:
        InputError: There is none; the message says how to get it.
    """
    named = os.environ.get("BOUNDS_LABEL_STUDIO")
    places = (
        [Path(named)]
        if named
        else [
            folder / ".venv-label-studio" / "bin" / "label-studio"
            for folder in (Path(__file__).resolve().parents[2], Path(sys.prefix).parent)
        ]
    )
    program = next((place for place in places if place.is_file()), None)
    if program is None:
        raise InputError(
            "no Label Studio server",
            file=str(places[0]),
            field="BOUNDS_LABEL_STUDIO" if named else None,
            expected="its label-studio program; `make setup` installs it, BOUNDS_LABEL_STUDIO names another",
        )
    root = program.resolve().parent.parent
    package = next(root.glob("lib/python*/site-packages/label_studio"), None)
    info = next(root.glob("lib/python*/site-packages/label_studio-*.dist-info"), None)
    if package is None or info is None:
        raise InputError(
            "not an environment with Label Studio in it", file=str(root), expected="the package label_studio"
        )
    return LabelStudio(
        program=program,
        python=root / "bin" / "python",
        package=package,
        version=info.name.removeprefix("label_studio-").removesuffix(".dist-info"),
        templates=_writable(root / "share" / "bounds"),
    )


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = user_cache_path("bounds", ensure_exists=True)
    return folder if os.access(folder, os.W_OK) else user_cache_path("bounds", ensure_exists=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
