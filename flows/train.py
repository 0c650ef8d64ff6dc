"""Train the example candidates from a release, and register them as versions of one model."""

from __future__ import annotations

import io
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.running import OUTSIDE
from flows.wiring import Platform, open_platform
from governance.errors import InputError
from infra import ledger

__all__ = ["release_of", "train"]


def release_of(platform: Platform, digest: str | None) -> ledger.Release:
    """The release of a digest (or its beginning), the newest by default.

    Raises:
        InputError: There is none, or the beginning fits several.
    """
    known = ledger.releases(platform.db)
    wanted = [row for row in known if digest is None or row.digest.startswith(digest)]
    if not wanted or (digest is not None and len(wanted) > 1):
        raise InputError(
            "no such release" if not wanted else "the digest fits several releases",
            field="release",
            value=digest,
            expected=", ".join(row.digest for row in known[-3:]) or "run `bounds release` first",
        )
    return wanted[-1]


@task(name="register", task_run_name="register-{kind}", cache_policy=NO_CACHE, **OUTSIDE)
def register(platform: Platform, release: ledger.Release, kind: str, *, seed: int) -> str:
    """Train one candidate and register it; the version. Again, and the same version is returned."""
    import pyarrow.parquet as pq

    from infra.candidates import learn, log_candidate
    from infra.tracking import release_dataset

    tree = str(release.tree)
    pairs = pq.read_table(io.BytesIO(platform.store.get_file("releases", tree, "pairs.parquet")))
    dataset = release_dataset(
        release.digest, uri=platform.store.uri("releases", tree), profile={"pairs": pairs.num_rows}
    )
    platform.registry()
    return log_candidate(
        learn({"pairs": pairs}, kind, seed=seed),
        registered_model=platform.settings.registered_model,
        release_digest=release.digest,
        dataset=dataset,
    )


@flow(name="train", persist_result=False)
def train(
    kinds: tuple[str, ...] = ("unbounded", "bounded"),
    release: str | None = None,
    seed: int = 0,
    home: str | None = None,
) -> dict[str, Any]:
    """Train example candidates.

    Args:
        kinds: Which of them (bounded, unbounded, over-refuser, overfitted, one-manner).
        release: Digest of the release; the newest by default.
        seed: Seed of the training.
        home: Data folder.

    Returns:
        ``model``, ``release`` and the ``versions`` by kind.
    """
    with open_platform(home) as platform:
        source = release_of(platform, release)
        versions = {kind: register(platform, source, kind, seed=seed) for kind in kinds}
        return {"model": platform.settings.registered_model, "release": source.digest, "versions": versions}
