# Build from the repository's root: docker build -f deploy/docker/alert-relay.Dockerfile .
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p alert-relay
# A checkout made under `umask 077` has no modes for others.
RUN install -m 0755 target/release/alert-relay deploy/docker/healthcheck /usr/local/bin/

# Certificate authorities and time zones are inside the binary.
FROM ${DOCKER_HUB}/library/debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818
COPY --from=build /usr/local/bin/alert-relay /usr/local/bin/healthcheck /usr/local/bin/
# A new named volume takes over this folder's owner, so the relay can write to it without being root.
RUN install -d -o 60860 -g 60860 -m 0700 /var/lib/alert-relay
# Nobody else's: two services of one user could read each other's memory and files. systemd's table of users leaves
# 60578 to 61183 to nobody.
USER 60860:60860
EXPOSE 8060
VOLUME /var/lib/alert-relay
HEALTHCHECK --interval=15s --timeout=5s --retries=4 --start-period=10s CMD ["/usr/local/bin/healthcheck", ":8060"]
ENTRYPOINT ["/usr/local/bin/alert-relay"]
CMD ["serve", "--config", "/etc/alert-relay/relay.yml"]
