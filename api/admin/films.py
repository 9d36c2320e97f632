"""What the before/after viewer plays: where each film lies, and what is known about its frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal
from urllib.parse import urlsplit

from api.errors import ResultNotReadyError
from api.routes.results import sign_part
from api.services import Services
from jobs.api_key import EVERY_TENANT
from jobs.errors import JobsError, UploadNotFoundError
from jobs.job import Job
from jobs.placement import Place
from jobs.storage.local import LocalStorage

Film = Literal["before", "after", "preview", "poster"]

_RATES = range(1, 1001)


@dataclass(frozen=True)
class Films:
    """What there is of one job to look at."""

    links: Mapping[Film, str]
    """Signed; only of what there is."""
    frames_per_s: float | None
    width_px: int | None
    height_px: int | None
    """Of the result."""
    has_lost_input: bool
    """Whether the input was removed, or cannot be reached."""

    @property
    def origins(self) -> set[str]:
        """Where films lie that lie elsewhere, as the content security policy names it."""
        parts = [urlsplit(link) for link in self.links.values()]
        return {f"{part.scheme}://{part.netloc}" for part in parts if part.netloc}


def find_films(services: Services, job: Job) -> Films | None:
    """Find what can be compared; None where the job has no result (any more)."""
    if job.state != "succeeded" or job.result is None:
        return None
    links: dict[Film, str] = {}
    is_lost = False
    for film in ("before", "after", "preview", "poster"):
        try:
            links[film] = sign_film(services, job, film)
        except JobsError:
            is_lost = is_lost or film == "before"
        except ResultNotReadyError:
            continue
    facts = job.result.facts
    return Films(
        links,
        _rate_of(facts) or _rate_of(job.input_facts or {}),
        _length_of(facts, "width_px"),
        _length_of(facts, "height_px"),
        is_lost,
    )


def sign_film(services: Services, job: Job, film: Film) -> str:
    """Sign a link that plays a film in the page.

    Raises:
        UploadNotFoundError: the input was removed.
        ResultNotReadyError: the job has no such film.
        StorageError: the store cannot sign.

    """
    match film:
        case "before":
            return near(services, _sign_input(services, job))
        case "after":
            return near(services, sign_part(services, job, "result"))
        case _:
            return near(services, sign_part(services, job, film))


def _sign_input(services: Services, job: Job) -> str:
    request, expires_s = job.request, services.settings.link_kept_s
    if request.upload_id is not None:
        with services.database.reading() as rows:
            upload = rows.uploads.get(EVERY_TENANT, request.upload_id)
        return services.storage.sign_get(
            upload.object_key, expires_s=expires_s, content_type=upload.content_type
        )
    if services.buckets is None:
        raise UploadNotFoundError("This service knows no S3 server to read the input from.")
    return services.buckets.sign_get(
        Place.of_url(request.input_url or ""),
        expires_s=expires_s,
        filename="before",
        content_type="video/mp4",
    )


def near(services: Services, link: str) -> str:
    """Leave out the host of a link to the service itself, by whatever name people reach it.

    The signature does not cover the host, and to browsers another name is another site.
    """
    storage = services.storage
    if not isinstance(storage, LocalStorage) or not link.startswith(storage.links.public_url):
        return link
    return urlsplit(link)._replace(scheme="", netloc="").geturl()


def _rate_of(facts: Mapping[str, Any]) -> float | None:
    """Read a frame rate, which facts have as "numerator/denominator"."""
    try:
        rate = float(Fraction(str(facts.get("average_rate"))))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return rate if _RATES[0] <= rate <= _RATES[-1] else None


def _length_of(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and value > 0 else None
