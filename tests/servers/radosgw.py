"""A private radosgw, Ceph's S3 server, on a cluster of one monitor and one disk in memory.

Unlike moto's it checks signatures, their age and everything else that keeps strangers out.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.patience import PATIENCE_S
from tests.servers.process import ServerProcess, free_port

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "alice", "AWS_SECRET_ACCESS_KEY": "alice-secret"}
STRANGER = {"AWS_ACCESS_KEY_ID": "mallory", "AWS_SECRET_ACCESS_KEY": "mallory-secret"}
"""Another user of the same server, with buckets of its own."""
REGION = "us-east-1"
INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common"

_CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor}
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# With encryption, which is the default, but without keys everything waits for ever.
ms_mon_client_mode = crc
ms_mon_service_mode = crc
ms_mon_cluster_mode = crc
osd_pool_default_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_autoscale_mode = off
osd_pool_default_pg_num = 4
osd_crush_chooseleaf_type = 0
# The disk would give itself another place than the one below, whichever comes first.
osd_crush_update_on_start = false
rgw_rados_pool_pg_num_min = 4
# For addresses of webhooks with a password in them, which it takes over TLS only.
rgw_trust_forwarded_https = true
osd_objectstore = memstore
memstore_device_bytes = 8589934592
run_dir = {folder}
crash_dir = {folder}
mon_data = {folder}/mon
osd_data = {folder}/osd
keyring = {folder}/keyring
log_file = {folder}/$name.log
pid_file = {folder}/$name.pid
admin_socket = {folder}/$name.asok
"""


class RadosGateway:
    """Buckets that live until it is closed, also while the gateway is stopped."""

    def __init__(self) -> None:
        programs = ("monmaptool", "ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin")
        if not all(map(shutil.which, programs)):
            # In CI too: these tests are asked for by whoever has the server.
            pytest.skip(f"radosgw is not installed; install it with: {INSTALL}")
        # Not pytest's folder: a socket's path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="flashvsr-radosgw-"))
        self._names = (f"test-{number}" for number in count(1))
        self._disk: subprocess.Popen[bytes] | None = None
        self.port, monitor = free_port(), free_port()
        self._monitor = self._server("ceph-mon -f -i a", monitor)
        frontend = f"--rgw-frontends=beast endpoint=127.0.0.1:{self.port}"
        self._gateway = self._server("radosgw -f -n client.rgw", self.port, frontend)
        try:
            self._start_cluster(monitor)
            for keys in (CREDENTIALS, STRANGER):
                self._make_user(*keys.values())
            self.start()
        except BaseException:
            self.close()
            raise

    def _server(self, command: str, port: int, *more: str) -> ServerProcess:
        arguments = [*command.split(), "-c", str(self._configuration), *more]
        return ServerProcess(arguments, port, self._folder / "output")

    @property
    def _configuration(self) -> Path:
        return self._folder / "ceph.conf"

    def _start_cluster(self, monitor: int) -> None:
        fsid, disk = uuid4(), uuid4()
        self._configuration.write_text(
            _CONFIGURATION.format(fsid=fsid, monitor=monitor, folder=self._folder)
        )
        (self._folder / "mon").mkdir()
        (self._folder / "osd").mkdir()
        address, monmap = f"[v2:127.0.0.1:{monitor}]", str(self._folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", str(fsid), "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._monitor.start()
        self._run("ceph", "osd", "new", str(disk))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", str(disk))
        with (self._folder / "output").open("ab") as output:
            self._disk = subprocess.Popen(
                ["ceph-osd", "-f", "-i", "0", "-c", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._place_disk()

    def _place_disk(self) -> None:
        """Give the disk its place; the monitor refuses until it has heard of the disk."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default")
            except AssertionError as error:
                if time.monotonic() > deadline:
                    said = (self._folder / "output").read_text(errors="replace")[-2000:]
                    raise AssertionError(f"{error}\nThe servers said:\n{said}") from error
                time.sleep(0.2)

    def _make_user(self, access_key: str, secret: str) -> None:
        # The first one waits until the disk is there and the pools are made.
        keys = ("--access-key", access_key, "--secret-key", secret)
        self._run(
            "radosgw-admin", "user", "create", "--uid", access_key, "--display-name", "test", *keys
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, *arguments]
        if program != "monmaptool":
            command += ["-c", str(self._configuration)]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            text=True,
            timeout=2 * PATIENCE_S,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def start(self) -> None:
        """Start the gateway and wait until it listens."""
        self._gateway.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the gateway; the objects stay.

        One that was killed counts as there for 30 s: the next one makes no bucket until then.
        """
        self._gateway.stop(how)

    def close(self) -> None:
        """Stop everything and leave nothing behind."""
        self._gateway.stop()
        if self._disk is not None:
            self._disk.kill()
            self._disk.wait(PATIENCE_S)
        self._monitor.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def endpoint(self, port: int | None = None) -> str:
        """Address the server, over a proxy's port where one is given."""
        return f"http://127.0.0.1:{port or self.port}"

    def client(self, keys: dict[str, str] = CREDENTIALS) -> Any:
        """Give a plain boto3 client, to look at what really is in the buckets."""
        import boto3

        access_key, secret = keys.values()
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint(),
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
        )

    def new_bucket(self, keys: dict[str, str] = CREDENTIALS) -> str:
        """Make a bucket; return its name."""
        name = next(self._names)
        self.client(keys).create_bucket(Bucket=name)
        return name

    def limit(self, bucket: str, size_bytes: int) -> None:
        """Let a bucket hold no more than that."""
        scope = ("--quota-scope=bucket", f"--bucket={bucket}")
        self._run("radosgw-admin", "quota", "set", *scope, f"--max-size={size_bytes}")
        self._run("radosgw-admin", "quota", "enable", *scope)

    def url(self, bucket: str, port: int | None = None) -> str:
        """Address a folder of a bucket as in `STORAGE_URL`."""
        where = f"endpoint={self.endpoint(port)}&region={REGION}&style=path"
        return f"s3://{bucket}/service?{where}"
