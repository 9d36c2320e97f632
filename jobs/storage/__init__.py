"""Objects: one interface, local folders or S3 behind it, chosen by a URL."""

from urllib.parse import urlsplit

from jobs.errors import SettingsError
from jobs.storage.interface import ObjectFacts, SignedRequest, Storage, Stored

__all__ = ["ObjectFacts", "SignedRequest", "Storage", "Stored", "open_storage"]


def open_storage(url: str, public_url: str = "http://127.0.0.1:8000") -> Storage:
    """Open the store behind a URL.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix?endpoint=URL&region=NAME&style=path`, of which
            all but the bucket may be left out. Credentials come from where boto3 looks for them.
        public_url: of the API, which serves the links of local folders.

    Raises:
        SettingsError: the URL is of another kind.

    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        from jobs.storage.local import LocalStorage

        return LocalStorage.of_url(url, public_url)
    if scheme == "s3":
        # boto3 takes a third of a second to import, which an embedded service need not pay.
        from jobs.storage.s3 import S3Storage

        return S3Storage.of_url(url)
    raise SettingsError(
        f"STORAGE_URL begins with {scheme!r}; it must be file:///folder or s3://bucket/prefix."
    )
