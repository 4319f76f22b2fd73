# The service with the shipped model store: docker build -t ctr-serve .

# The full image has a compiler, for a dependency without a wheel on this architecture.
FROM python:3.11-bookworm AS builder

# pip takes torch from whatever index it is configured for, and most indexes carry the CUDA build,
# gigabytes larger than the CPU build that a machine without a GPU needs. An index of CPU builds is
# named at build time, so that this file depends on no host:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=<index of CPU builds> -t ctr-serve .
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
# What fsspec wants for a model store behind a URL, such as s3fs or gcsfs. Nothing can be installed
# later, since there is no pip in the image:
#   docker build --build-arg FSSPEC_PACKAGES=s3fs -t ctr-serve .
ARG FSSPEC_PACKAGES
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# Without pip inside: what is served needs no installer.
RUN python -m venv --without-pip /opt/ctr-serve
WORKDIR /build

# Dependencies are a layer of their own: torch is large, and editing app/ must not fetch it again.
COPY pyproject.toml ./
RUN python -c "import os, pathlib, tomllib; \
project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']; \
extras = project['optional-dependencies']; \
chosen = os.environ.get('FSSPEC_PACKAGES', '').split(); \
print(*project['dependencies'], *extras['signing'], *extras['remote'], *chosen, sep='\n')" \
 > requirements.txt \
 && pip --python /opt/ctr-serve install --requirement requirements.txt

COPY README.md LICENSE ./
COPY app app
RUN pip --python /opt/ctr-serve install --no-deps .


# Debian rather than Alpine: torch's wheels need glibc.
FROM python:3.11-slim-bookworm

# A fixed number, so that volumes and `runAsNonRoot` can refer to it.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ctr

# Everything stays root's: the service can read itself and its models, and change neither.
COPY --from=builder /opt/ctr-serve /opt/ctr-serve
WORKDIR /srv
COPY model_store model_store

ENV PATH=/opt/ctr-serve/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CTR_HOST=0.0.0.0 \
    CTR_PORT=8000 \
    CTR_LIVENESS_PORT=8001 \
    CTR_MODEL_STORE=/srv/model_store

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Loading, self-test and warm-up happen before the port answers. No proxy: it asks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as ask; \
ask.build_opener(ask.ProxyHandler({})).open( \
'http://127.0.0.1:' + os.environ['CTR_PORT'] + '/health/ready', timeout=2)"]

ENTRYPOINT ["ctr-serve"]
CMD ["serve"]
