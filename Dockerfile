# docker build --build-arg TORCH_INDEX_URL=INDEX -t demsr .    INDEX has the CPU or CUDA builds; leave it out for pip's own
# docker run --gpus all --name demsr demsr                     `dvc repro`; `docker start -a demsr` goes on where it stopped
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE}

RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home demsr
USER demsr
RUN mkdir /home/demsr/project
WORKDIR /home/demsr/project
ENV PIP_NO_CACHE_DIR=1 PATH=/home/demsr/.local/bin:$PATH

ARG TORCH_INDEX_URL=
COPY --chown=demsr:demsr pyproject.toml constraints.txt README.md ./
COPY --chown=demsr:demsr demsr demsr
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -c constraints.txt torch
RUN pip install -c constraints.txt -e '.[sweep]'

COPY --chown=demsr:demsr . .
RUN git init --quiet
CMD ["dvc", "repro"]
