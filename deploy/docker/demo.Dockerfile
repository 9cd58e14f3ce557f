# The profile `demo`: a simulated inference engine, and an exporter on simulated GPUs. Never for real use.
# Build from the repository's root: docker build -f deploy/docker/demo.Dockerfile .
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p gpu-node-exporter -p nvml-sim \
    && cargo build --release --locked -p e2e --bin engine-sim
# A checkout made under `umask 077` has no modes for others.
RUN install -m 0755 target/release/gpu-node-exporter target/release/engine-sim deploy/docker/healthcheck /usr/local/bin/ \
    && install -D -m 0644 target/release/libnvml_sim.so crates/nvml-sim/scenarios/inference.yaml -t /opt/demo/

FROM ${DOCKER_HUB}/library/debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818
COPY --from=build /usr/local/bin/gpu-node-exporter /usr/local/bin/engine-sim /usr/local/bin/healthcheck /usr/local/bin/
COPY --from=build /opt/demo/ /opt/demo/
# One user for both programs, and nobody else's: the exporter sees whether the engine listens.
USER 60960:60960
EXPOSE 8000 9100
ENTRYPOINT ["/usr/local/bin/engine-sim"]
CMD ["--listen=0.0.0.0:8000"]
