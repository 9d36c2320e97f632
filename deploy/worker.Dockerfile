# The GPU worker. torch's wheels carry their CUDA libraries; the base image adds only what the
# container runtime wants. BLOCK_SPARSE_ATTN=1 builds the sparse kernel for Ampere (A100), which
# compiles for long (it was not built here); without it FlexAttention is used.
ARG CUDA=13.0.1
ARG UBUNTU=ubuntu24.04

# hadolint ignore=DL3006
FROM nvidia/cuda:${CUDA}-devel-${UBUNTU} AS kernels
ARG BLOCK_SPARSE_ATTN=0
ARG BLOCK_SPARSE_ATTN_REVISION=4f83cf8f85f5773592c450b1ddcf1ca44c2e6a58
ARG TORCH_CUDA_ARCH_LIST=8.0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/kernels \
    && mkdir /wheels
COPY constraints.txt /constraints.txt
RUN if [ "$BLOCK_SPARSE_ATTN" = 1 ]; then \
        /opt/kernels/bin/pip install --no-cache-dir -c /constraints.txt torch setuptools wheel packaging ninja \
        && TORCH_CUDA_ARCH_LIST="$TORCH_CUDA_ARCH_LIST" /opt/kernels/bin/pip wheel --no-cache-dir \
            --no-deps --no-build-isolation -w /wheels \
            "git+https://github.com/mit-han-lab/Block-Sparse-Attention@$BLOCK_SPARSE_ATTN_REVISION"; \
    fi

# hadolint ignore=DL3006
FROM nvidia/cuda:${CUDA}-base-${UBUNTU}
# gcc: Triton, behind FlexAttention, compiles a small launcher for every kernel.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg gcc python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home flashvsr \
    && python3 -m venv /opt/flashvsr
ENV PATH=/opt/flashvsr/bin:$PATH

WORKDIR /srv/flashvsr
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cli cli
COPY client client
COPY flashvsr_core flashvsr_core
COPY jobs jobs
COPY media media
COPY migrations migrations
COPY upscaling upscaling
COPY worker worker
COPY --from=kernels /wheels /wheels
RUN pip install --no-cache-dir -c constraints.txt ".[engine,service]" \
    && find /wheels -name '*.whl' -exec pip install --no-cache-dir --no-deps {} +

USER 10001
WORKDIR /home/flashvsr
# Healthy: its workers reported to the database lately and have a model loaded.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "worker", "check"]
CMD ["python", "-m", "worker"]
