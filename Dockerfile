# Rollcall as an image, for users of Docker: one static program and certificates, as
# a user without privileges. make release builds the same without Docker.
#
#   docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t rollcall:v0.1.0 .
#   docker run --rm --read-only -p 127.0.0.1:8080:8080 rollcall:v0.1.0        (the demo)

FROM --platform=$BUILDPLATFORM node:20-bookworm AS assets
WORKDIR /src
COPY . .
RUN make playground

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY --from=assets /src .
ARG TARGETOS=linux
ARG TARGETARCH=amd64
ARG VERSION=devel
ARG COMMIT=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X rollcall/internal/build.version=$VERSION -X rollcall/internal/build.commit=$COMMIT" -o /rollcall .

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /rollcall /rollcall
ENV LISTEN_ADDR=0.0.0.0:8080 ADMIN_ADDR=0.0.0.0:9090
USER 65532:65532
EXPOSE 8080 9090
# The image has no shell and no curl: the program checks the running service.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/rollcall", "-healthcheck"]
ENTRYPOINT ["/rollcall"]
