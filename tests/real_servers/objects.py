"""Files to store, and what really lies in a bucket."""

import hashlib
import os
from pathlib import Path

from jobs.storage.interface import MIB
from tests.servers.radosgw import RadosGateway

VIDEO = "video/mp4"
KEY = "uploads/u/source"
MULTIPART_MIN_BYTES = 5 * MIB
"""Of all parts but the last."""


def file_of(folder: Path, size_bytes: int, name: str = "source") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size_bytes))
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keys(radosgw: RadosGateway, bucket: str) -> list[str]:
    """What really is there, asked past the code under test."""
    found = radosgw.client().list_objects_v2(Bucket=bucket)
    return [item["Key"] for item in found.get("Contents", ())]
