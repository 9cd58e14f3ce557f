# Build from the repository's root: docker build -f deploy/docker/gpu-node-exporter.Dockerfile .
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p gpu-node-exporter

# glibc and its loader, because the driver's library is loaded at run time: a static image cannot.
FROM ${DOCKER_HUB}/library/debian:bookworm-slim
# The host is mounted at /host. Each folder holds one link, to the place where a distribution keeps the driver's library;
# the loader passes over those that lead nowhere. Only this one name is looked up on the host, so libc stays the image's.
RUN link() { mkdir -p "/opt/nvml/$1" && ln -s "/host$2/libnvidia-ml.so.1" "/opt/nvml/$1/libnvidia-ml.so.1"; } \
    && link debian-amd64 /usr/lib/x86_64-linux-gnu \
    && link debian-arm64 /usr/lib/aarch64-linux-gnu \
    && link debian-alternatives /usr/lib/x86_64-linux-gnu/nvidia/current \
    && link redhat /usr/lib64 \
    && link other /usr/lib
ENV LD_LIBRARY_PATH=/opt/nvml/debian-amd64:/opt/nvml/debian-arm64:/opt/nvml/debian-alternatives:/opt/nvml/redhat:/opt/nvml/other
COPY --from=build /src/target/release/gpu-node-exporter /usr/local/bin/gpu-node-exporter
COPY deploy/docker/healthcheck /usr/local/bin/healthcheck
USER 65532:65532
EXPOSE 9100
HEALTHCHECK --interval=15s --timeout=5s --retries=4 --start-period=10s CMD ["/usr/local/bin/healthcheck", "9100"]
ENTRYPOINT ["/usr/local/bin/gpu-node-exporter"]
