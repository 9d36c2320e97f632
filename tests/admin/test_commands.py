"""`python -m api users`, and the link that the first start prints: real processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.patience import PATIENCE_S
from tests.servers.process import free_port


def environment(folder: Path, template: Path) -> dict[str, str]:
    shutil.copyfile(template, folder / "flashvsr.db")
    settings = {
        "FLASHVSR_DATA_DIR": str(folder),
        "FLASHVSR_PORT": str(free_port()),
        "PYTHONWARNINGS": "",
    }
    ours = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL")
    return {**{k: v for k, v in os.environ.items() if k not in ours}, **settings}


def users(around: dict[str, str], *arguments: str, said: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "api", "users", *arguments],
        env=around, input=said, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_users_are_made_with_passwords_from_a_pipe(tmp_path: Path, sqlite_template: Path) -> None:
    around = environment(tmp_path, sqlite_template)
    code, short = users(around, "add", "ada", said="short\n")
    assert (code, "10 to 200 characters" in short) == (1, True)
    assert users(around, "add", "ada", said="correct horse\n")[0] == 0
    assert users(around, "add", "ron", "--role", "reader", said="correct horse\n")[0] == 0
    assert users(around, "disable", "ron")[0] == 0
    assert users(around, "list")[1] == "ada  admin  active\nron  reader  disabled\n"
    code, unknown = users(around, "password", "eve", said="correct horse\n")
    assert (code, "There is no user eve" in unknown) == (1, True)
    assert users(around, "link")[0] == 1


def test_the_first_start_prints_a_link_that_lets_one_person_in(
    tmp_path: Path, sqlite_template: Path
) -> None:
    around = environment(tmp_path, sqlite_template)
    with subprocess.Popen(
        [sys.executable, "-m", "api"], env=around, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                if "Uvicorn running" in line:
                    break
            (link,) = re.findall(r"http://\S+/admin/first\?token=\S+", "".join(said))
            with httpx2.Client(timeout=PATIENCE_S) as http:
                assert "Welcome" in http.get(link).text
                address = link.partition("/admin")[0]
                fields = {
                    "token": link.rpartition("=")[2], "name": "ada",
                    "new_password": "correct horse", "repeated": "correct horse",
                }  # fmt: skip
                there = http.post(
                    f"{address}/admin/first", data=fields, headers={"Origin": address}
                )
                assert there.status_code == 303
                assert "Overview" in http.get(f"{address}/admin/").text
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            process.wait(PATIENCE_S)
    logged = rest + "".join(line for line in said if "become its first user" not in line)
    assert link.rpartition("=")[2] not in logged
    assert "correct horse" not in logged
