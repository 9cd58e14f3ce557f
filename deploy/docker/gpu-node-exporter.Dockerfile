# Build from the repository's root: docker build -f deploy/docker/gpu-node-exporter.Dockerfile .
ARG DOCKER_HUB=docker.io

FROM ${DOCKER_HUB}/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p gpu-node-exporter
# A checkout made under `umask 077` has no modes for others.
RUN install -m 0755 target/release/gpu-node-exporter deploy/docker/healthcheck /usr/local/bin/

# glibc and its loader, because the driver's library is loaded at run time: a static image cannot.
FROM ${DOCKER_HUB}/library/debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818
# The host is mounted at /host. Each folder holds one link, to the place where a distribution keeps the driver's library;
# the loader passes over those that lead nowhere. Only this one name is looked up on the host, so libc stays the image's.
RUN link() { mkdir -p "/opt/nvml/$1" && ln -s "/host$2/libnvidia-ml.so.1" "/opt/nvml/$1/libnvidia-ml.so.1"; } \
    && link debian-amd64 /usr/lib/x86_64-linux-gnu \
    && link debian-arm64 /usr/lib/aarch64-linux-gnu \
    && link debian-alternatives /usr/lib/x86_64-linux-gnu/nvidia/current \
    && link redhat /usr/lib64 \
    && link other /usr/lib
ENV LD_LIBRARY_PATH=/opt/nvml/debian-amd64:/opt/nvml/debian-arm64:/opt/nvml/debian-alternatives:/opt/nvml/redhat:/opt/nvml/other
COPY --from=build /usr/local/bin/gpu-node-exporter /usr/local/bin/healthcheck /usr/local/bin/
# Nobody else's: two services of one user could read each other's memory and files. systemd's table of users leaves
# 60578 to 61183 to nobody.
USER 60910:60910
EXPOSE 9100
HEALTHCHECK --interval=15s --timeout=5s --retries=4 --start-period=10s CMD ["/usr/local/bin/healthcheck", ":9100"]
ENTRYPOINT ["/usr/local/bin/gpu-node-exporter"]
