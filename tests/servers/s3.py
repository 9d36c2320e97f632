"""A private S3 protocol server: moto's, over real HTTP.

It checks neither signatures nor expiry, so that it proves nothing about access.
"""

import importlib.util
import sys
from itertools import count
from pathlib import Path
from typing import Any

from tests.servers.process import ServerProcess, free_port, missing

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
REGION = "us-east-1"


class S3Server(ServerProcess):
    """Buckets that live as long as the process."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("moto") is None:
            missing("moto", "pip install -e '.[dev]'")
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        super().__init__(command, port, folder / "s3.log")
        self._names = (f"test-{number}" for number in count(1))
        self.start()

    def endpoint(self, port: int | None = None) -> str:
        """Address the server, over a proxy's port where one is given."""
        return f"http://127.0.0.1:{port or self.port}"

    def client(self) -> Any:
        """Give a plain boto3 client, to look at what really is in the buckets."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint(),
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def new_bucket(self) -> str:
        """Make a bucket; return its name."""
        name = next(self._names)
        self.client().create_bucket(Bucket=name)
        return name

    def url(self, bucket: str, port: int | None = None) -> str:
        """Address a folder of a bucket as in `STORAGE_URL`."""
        return f"s3://{bucket}/service?endpoint={self.endpoint(port)}&region={REGION}"
