# The serving install, as a user without rights. docs/operate.md says how to run it.
#
#     docker build --tag classifyd .
#     docker run --volume classifyd:/data classifyd
FROM python:3.11-slim-bookworm AS build
COPY . /source
RUN python -m venv /opt/classifyd \
    && /opt/classifyd/bin/pip install --quiet -c /source/constraints/serve.txt pip \
    && /opt/classifyd/bin/pip install --quiet -c /source/constraints/serve.txt \
        --build-constraint /source/constraints/build.txt /source

FROM python:3.11-slim-bookworm
COPY --from=build /opt/classifyd /opt/classifyd
# A number of its own, so that folders of the host can be given to it, and Kubernetes sees that it is not root.
RUN groupadd --system --gid 10001 classifyd \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin classifyd \
    && install --directory --owner=10001 --group=10001 /data
ENV PATH=/opt/classifyd/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9464
# A new volume gets a configuration, inboxes and the shipped models; one that has them is used as it is.
CMD ["sh", "-c", "test -e config.toml || classifyd init . && exec classifyd run"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthy', timeout=4)"]
