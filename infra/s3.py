"""Talking to an S3 service: a client with its retries, and what its errors mean to the platform.

Retries are our own, bounded and with growing pauses, so that a service that is down is an ``OutsideError``
after seconds and never a hang; botocore's are off, because they do not cover a body that breaks off.
Checksums are sent and asked for only where an operation requires them: not every service knows them, and
the object store verifies SHA-256 itself.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as Unreachable
from urllib3.exceptions import HTTPError

from governance.errors import OutsideError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["NotOfferedError", "Retries", "client", "code_of", "is_conflict", "is_not_offered"]

_LOG: Final = logging.getLogger(__name__)
_ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
_EXISTS: Final = {"PreconditionFailed", "412"}
_UNKNOWN: Final = {"NotImplemented", "501", "MethodNotAllowed", "405"}
_PASSING: Final = {"SlowDown", "Throttling", "RequestTimeout", "ConditionalRequestConflict", "BadDigest"}
_BROKEN: Final = (
    Unreachable,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    HTTPError,
    S3UploadFailedError,
)
_T = TypeVar("_T")


class NotOfferedError(OutsideError):
    """The service does not know the operation."""


class Retries:
    """Makes requests, again after a passing fault, and names what finally went wrong.

    Args:
        attempts: How often a request is made at most.
        pause: Seconds before the second attempt; doubled before each further one, jittered by half.
        sleep: Waits that many seconds.
    """

    def __init__(
        self, *, attempts: int = 5, pause: float = 0.2, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._attempts = attempts
        self._pause = pause
        self._sleep = sleep

    def __call__(self, place: str, request: Callable[[], _T]) -> _T:
        """The result of ``request``; ``place`` names it in errors.

        Raises:
            KeyError: The key does not exist.
            OutsideError: The service refuses, or is not there after the last attempt.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                return request()
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    raise KeyError(place) from error
                if code_of(error) in _UNKNOWN:
                    raise NotOfferedError(f"{place}: {error}") from error
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                fault: Exception = error
                passing = status >= 500 or status == 429 or code_of(error) in _PASSING
            except _BROKEN as error:
                fault, passing = error, True
            except BotoCoreError as error:
                fault, passing = error, False
            if not passing or attempt == self._attempts:
                tried = f" (tried {attempt} times)" if attempt > 1 else ""
                raise OutsideError(f"{place}: {fault}{tried}") from fault
            wait = self._pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
            _LOG.warning("attempt %d at %s failed, again in %.1f s", attempt, place, wait)
            self._sleep(wait)
        raise AssertionError("unreachable")


def client(
    *,
    endpoint: str | None,
    region: str,
    access_key: str | None,
    secret_key: str | None,
    timeout: float = 30,
) -> S3Client:
    """An S3 client without botocore's retries, with checksums only where an operation requires them.

    Args:
        endpoint: Address of the service; None for the provider's own.
        region: Region name.
        access_key: Key id; None for boto3's own search (environment, profile, instance).
        secret_key: Its secret.
        timeout: Seconds to connect, and between bytes.
    """
    return boto3.session.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
    ).client(
        "s3",
        endpoint_url=endpoint,
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=min(timeout, 5),
            read_timeout=timeout,
            max_pool_connections=64,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


def code_of(error: ClientError) -> str:
    """The service's own name of the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_conflict(error: ClientError) -> bool:
    """Whether a conditional write was refused because the key exists."""
    return code_of(error) in _EXISTS


def is_not_offered(error: ClientError) -> bool:
    """Whether the service does not know the operation or a part of it."""
    return code_of(error) in _UNKNOWN
