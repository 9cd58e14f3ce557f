# Build from the repository's root: docker build -f deploy/docker/alert-relay.Dockerfile .
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p alert-relay

# Certificate authorities and time zones are inside the binary.
FROM ${DOCKER_HUB}/library/debian:bookworm-slim
COPY --from=build /src/target/release/alert-relay /usr/local/bin/alert-relay
COPY deploy/docker/healthcheck /usr/local/bin/healthcheck
# A new named volume takes over this folder's owner, so the relay can write to it without being root.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/alert-relay
USER 65532:65532
EXPOSE 8060
VOLUME /var/lib/alert-relay
HEALTHCHECK --interval=15s --timeout=5s --retries=4 --start-period=10s CMD ["/usr/local/bin/healthcheck", "8060"]
ENTRYPOINT ["/usr/local/bin/alert-relay"]
CMD ["serve", "--config", "/etc/alert-relay/relay.yml"]
