"""Settings: nothing set is the embedded service, three URLs switch its parts."""

from pathlib import Path

import pytest

from jobs.errors import SettingsError
from jobs.policy import Policy
from jobs.queue import LocalBell
from jobs.settings import read_settings
from jobs.storage.local import LocalStorage


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "FLASHVSR_LEASE_S"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLASHVSR_DATA_DIR", str(tmp_path / "data of mine"))


def test_nothing_set_is_embedded(tmp_path: Path) -> None:
    settings = read_settings()
    assert settings.database == f"sqlite:///{tmp_path}/data of mine/flashvsr.db"
    assert isinstance(settings.open_bell(), LocalBell)
    storage = settings.open_storage()
    assert isinstance(storage, LocalStorage)
    assert storage.path_of("a") == tmp_path / "data of mine" / "storage" / "objects" / "a"
    database = settings.open_database()
    database.ping()
    assert database.policy == Policy()
    database.close()
    assert (tmp_path / "data of mine" / "flashvsr.db").exists()


def test_urls_switch_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/flashvsr")
    monkeypatch.setenv("STORAGE_URL", "s3://bucket")
    monkeypatch.setenv("FLASHVSR_LEASE_S", "5")
    settings = read_settings()
    assert settings.database == "postgresql://u:hunter2@db/flashvsr"
    assert settings.storage == "s3://bucket"
    assert settings.policy == Policy(lease_s=5)
    assert "hunter2" not in repr(settings)


def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHVSR_LEASE_S", "-1")
    with pytest.raises(SettingsError, match="FLASHVSR_LEASE_S"):
        read_settings()
