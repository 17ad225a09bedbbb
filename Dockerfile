# The Bindery server. `docs/operations.md` has the commands to build and run it.

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /build && python -m venv --without-pip /opt/bindery
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# pip installs exactly what the locks list, by hash, and resolves nothing.
COPY locks/base.txt locks/build.txt locks/
RUN /build/bin/pip --python /opt/bindery/bin/python install --no-deps --require-hashes --only-binary :all: -r locks/base.txt \
 && /build/bin/pip install --no-deps --require-hashes -r locks/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /build/bin/pip --python /opt/bindery/bin/python install --no-deps /dist/*.whl

FROM python:3.11-slim
COPY --from=build /opt/bindery /opt/bindery
RUN useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin bindery
# The server listens on all addresses, so it refuses to start before an API key exists. It shuts down
# within the 10 seconds that `docker stop` allows.
ENV PATH=/opt/bindery/bin:$PATH \
    BINDERY_HOME=/data \
    BINDERY_HOST=0.0.0.0 \
    BINDERY_DRAIN_TIMEOUT_S=8
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
ENTRYPOINT ["bindery"]
CMD ["serve"]
