# The image for cronjob.yaml:
#
#   docker build --tag registry.example.com/wafsync:0.1.0 . && docker push registry.example.com/wafsync:0.1.0
#
# The tag names the exact compiler. Where a tag may be moved under you, pin what `docker buildx imagetools inspect` prints
# for it: rust:…@sha256:….
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# What is declared in Cargo.toml has to be there, also what is not built.
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY tests tests
COPY examples examples
COPY benches benches
RUN cargo build --release --locked --bin wafsync
COPY deploy deploy
RUN deploy/image-root target/release/wafsync /image

# Nothing to start but the program, and nothing that it could write to.
FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/wafsync"]
