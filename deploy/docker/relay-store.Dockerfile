# Build from the repository's root: docker build -f deploy/docker/relay-store.Dockerfile .
# Debian's PostgreSQL, for the compose profile `ha`. Where there is a PostgreSQL already, name that one and leave this out.
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15
COPY deploy/docker/relay-store /usr/local/bin/
# The relays' own user: it reads the same password file, and keeps nothing but their records. A checkout made under `umask 077` has no
# modes for others.
RUN chmod 0755 /usr/local/bin/relay-store \
 && echo 'relay:x:60860:60860::/var/lib/relay-store:/usr/sbin/nologin' >> /etc/passwd \
 && install -d -o 60860 -g 60860 -m 0700 /var/lib/relay-store
USER 60860:60860
EXPOSE 5432
VOLUME /var/lib/relay-store
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/relay-store"]
