"""Makes the bucket; where buckets are set up, and the only importer of minio."""

from __future__ import annotations

import asyncio

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from .artifacts import REGION, endpoint
from .drops import StoreDown

_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


async def ensure_bucket(url: str, bucket: str) -> None:
    """Make the bucket unless it is there. Raises `StoreDown`."""
    await asyncio.to_thread(_ensure, url, bucket)


def _ensure(url: str, bucket: str) -> None:
    at = endpoint(url)
    with PoolManager(timeout=Timeout(connect=5, read=30), retries=Retry(2, backoff_factor=0.2)) as http:
        client = Minio(
            at.address,
            access_key=at.access,
            secret_key=at.secret,
            secure=at.secure,
            region=REGION,  # without it every call first asks for the region, which narrow keys may not
            http_client=http,
        )
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        except S3Error as error:
            if error.code not in _THERE:
                raise StoreDown(f"S3: {error.code} for bucket {bucket}") from error
        except (MinioException, HTTPError, OSError) as error:
            raise StoreDown(f"S3: {error}") from error
