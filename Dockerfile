# Image with demsr and a project of its own, in which it runs the pipeline:
#     docker build --build-arg COMMIT="$(git rev-parse HEAD)" --build-arg VERSION="$(git describe --tags | cut -c 2-)" -t demsr .
#     docker run --name demsr demsr            `dvc repro`; `docker start -a demsr` goes on where it stopped
# --build-arg TORCH_INDEX_URL=INDEX takes torch from an index with the CPU or CUDA builds, instead of pip's own. On GPUs, run with
# --gpus all.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS build
RUN python -m venv /opt/demsr
ENV PATH=/opt/demsr/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY constraints.txt .
ARG TORCH_INDEX_URL=
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -c constraints.txt torch
COPY . .
ARG VERSION=
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMSR=$VERSION pip wheel --no-deps --wheel-dir wheels .
RUN pip install -c constraints.txt "$(echo wheels/demsr-*.whl)[sweep,s3]"

FROM ${BASE_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends git=1:2.* && rm -rf /var/lib/apt/lists/* && useradd --create-home --uid 1000 demsr
COPY --from=build /opt/demsr /opt/demsr
ENV PATH=/opt/demsr/bin:$PATH
WORKDIR /home/demsr/project
RUN chown 1000:1000 .
USER 1000:1000
ARG COMMIT=unknown
ENV DEMSR_COMMIT=${COMMIT} USER=demsr
RUN demsr init . && git init --quiet && git config user.name demsr && git config user.email demsr@localhost && git add . && git commit --quiet --message "Project of demsr, commit $COMMIT"
CMD ["dvc", "repro"]
