# The API, the sweeper and the migrations: no torch in here.
FROM python:3.11.13-slim-bookworm

# Debian keeps only the newest build of a package, so an exact pin would break within weeks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home flashvsr

WORKDIR /srv/flashvsr
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY api api
COPY cli cli
COPY client client
COPY jobs jobs
COPY media media
COPY migrations migrations
COPY worker worker
RUN pip install --no-cache-dir -c constraints.txt ".[service]"

USER 10001
WORKDIR /home/flashvsr
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "api"]
