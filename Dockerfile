# preferd serve on a slim Debian 12: the README's own steps, then the binaries alone.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY . .
RUN deploy/install_dependencies.sh && cmake --preset release -DPREFERD_TESTS=OFF -DPREFERD_BENCH=OFF && ninja -C build preferd trainer

FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
      libtorch1.13 libopenblas0-openmp libcpp-httplib0.11 libprometheus-cpp-core1.0 libspdlog1.10 libtomlplusplus3 \
      libicu72 libhwy1 zlib1g libzstd1 libssl3 \
    && rm -rf /var/lib/apt/lists/* && useradd --system --no-create-home preferd
COPY --from=build /src/build/preferd /src/build/trainer /usr/local/bin/
COPY --from=build /src/LICENSE /src/NOTICE /usr/share/doc/preferd/
USER preferd
EXPOSE 8080
HEALTHCHECK --start-period=2m CMD ["preferd", "health"]
# Beyond loopback a key is asked for: pass PREFERD_API_KEY.
ENTRYPOINT ["preferd"]
CMD ["serve", "--host", "0.0.0.0"]
