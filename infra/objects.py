"""The object store of the platform, opened by its settings.

Everything large and immutable (raw events, batches, releases, audits) lies here under its digest. The
store needs no conditional write, because two writers of one name write the same bytes; whatever must be
compared and set (cursors, what was decided) lives in ``infra.database``.
"""

from __future__ import annotations

from annotation.ports import ObjectStore
from infra.objects_directory import DirectoryStore
from infra.settings import Settings

__all__ = ["DirectoryStore", "open_store"]


def open_store(settings: Settings) -> ObjectStore:
    """The store that the settings name: a local directory, or S3.

    Raises:
        InputError: The settings name S3 without what is needed to reach it.
        OutsideError: The directory cannot be made.
    """
    if settings.store == "directory":
        return DirectoryStore(settings.objects_folder)
    from infra.objects_s3 import open_s3  # boto3 takes 0.3 s to load

    return open_s3(settings)
