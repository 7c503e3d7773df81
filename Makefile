# make check is what CI runs: it passes on a fresh machine with Go and Node. Each step prints one line, and its
# output only if it fails; VERBOSE=1 prints it all.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Later versions of Kustomize need a later Go. The tests of the manifests use the same one.
KUSTOMIZE = go run sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
KUBECTL_VALIDATE = go run sigs.k8s.io/kubectl-validate@v0.0.4
GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
STEP = .ci/step
NEED = .ci/need
NPM_CI = npm ci --no-audit --no-fund
NODE_TEST = npm --silent test

.PHONY: check check-slow help generated generate lint test redis proxy operations prometheus e2e browser web clients gateways \
  manifests soak simulation validity vulnerabilities playground bench bench-short golden image release release-twice

## help: this list
help:
	@sed -n "s,^## ,  make ,p" $(MAKEFILE_LIST)

## check: everything that CI checks
check: generated lint test image operations bench-short e2e

## check-slow: checks that take minutes and seldom fail; not part of check
check-slow: manifests soak validity release-twice

## generated: fails if the generated code is not what the schema gives
generated:
	@$(STEP) "generated code" sh -c ' \
	  sum() { cat graph/internal/generated/*.go graph/*.resolvers.go | sha256sum; }; \
	  before=$$(sum) && go generate ./... && test "$$before" = "$$(sum)" || \
	  { echo "The generated code was stale, and has been renewed: review it and commit it."; exit 1; }'

## generate: generates the code of gqlgen from the schema
generate:
	go generate ./...

## lint: gofmt, vet and the linters of .golangci.yml
lint:
	@$(STEP) "go mod tidy" sh -c 'for module in . bench deploy/release; do (cd $$module && go mod tidy -diff) || exit; done'
	@$(STEP) "linters" $(GOLANGCI_LINT) run ./...
	@$(STEP) "linters, bench" sh -c 'cd bench && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...'
	@$(STEP) "linters, release" sh -c 'cd deploy/release && $(GOLANGCI_LINT) run --config ../../.golangci.yml ./...'

# The race detector allocates memory: the tests of allocations run without it too.
## test: the Go tests, with the race detector
test: redis
	@$(STEP) "Go tests" sh -c 'go test -race $$(go list ./... | grep -v /deploy$$)'
	@$(STEP) "Go tests of allocations" bash -o pipefail -c 'go test -run Allocations ./graph | tee /dev/stderr | { ! grep -q "no tests to run"; }'

# Debian's, for the tests of upstream/shared, which start their own server. Debian's service is not needed.
redis:
	@$(NEED) redis-server "The tests of upstream/shared" redis-server

## operations: the dashboard, the alerts and the manual against the running service
operations: prometheus redis
	@$(STEP) "dashboard, alerts, manual" go test -count=1 ./deploy -prometheus

# Debian's, for promtool and for the dashboard's queries. Debian's service is not needed.
prometheus:
	@$(NEED) prometheus "The tests of the alerts" prometheus promtool

## release: binaries, images, bills of materials and checksums in dist/; for example VERSION=v0.1.0
release: playground
	@test -n "$(VERSION)" || { echo "make release needs a version: make release VERSION=v0.1.0"; exit 2; }
	@rm -rf dist
	@cd deploy/release && go run . -version "$(VERSION)" -out ../../dist

## image: the image, and its program as a container would run it
image:
	@$(STEP) "image" sh -c 'cd deploy/release && go test -count=1 ./...'

## release-twice: a release from each of two clones, which must have the same bytes
release-twice:
	@$(STEP) "release" sh -c 'cd deploy/release && go test -count=1 -timeout 30m -run TestRelease . -twice'

## manifests: the Kubernetes manifests against the API server's own validation, which takes minutes to build
manifests:
	@$(STEP) "Kubernetes manifests" sh -ec 'dir=$$(mktemp -d); trap "rm -rf $$dir" EXIT; \
	  for overlay in jwt redis; do $(KUSTOMIZE) build deploy/kubernetes/overlays/$$overlay >$$dir/$$overlay.yaml; done; \
	  $(KUBECTL_VALIDATE) --version 1.30 $$dir/*.yaml'

## soak: the Go tests that are named TestSoak…, which are skipped unless SOAK is set
soak:
	@SOAK=1 $(STEP) "soak tests" go test -count=1 -timeout 60m -run '^TestSoak' ./...

## simulation: 50 replicas and 1,000 keys with one Redis and with a Cluster, for docs/performance.md
simulation:
	SOAK=1 go test -count=1 -v -timeout 10m -run '^TestSoakSimulation$$' ./upstream/shared
	go test -run '^$$' -bench . ./upstream/shared

## validity: random requests to the service and to graphql-js, for ten minutes from another seed than check's
validity:
	@cd e2e && ../$(STEP) "packages of e2e" $(NPM_CI)
	@cd e2e && VALIDITY_SECONDS=600 VALIDITY_SEED=$(or $(SEED),$(shell date +%s)) ../$(STEP) "requests against graphql-js" node --test --test-reporter=spec validity.test.mjs

## vulnerabilities: the modules against Go's database of vulnerabilities; not part of check, because it needs the internet
vulnerabilities:
	$(GOVULNCHECK) ./...

## playground: GraphiQL from npm, for the next build to embed
playground:
	@$(STEP) "playground's files" internal/playground/install.sh

## e2e: the built service with real clients, in a browser, and behind gateways
e2e: browser playground web clients gateways redis proxy
	@cd e2e && ../$(STEP) "packages of e2e" $(NPM_CI)
	@cd e2e && ../$(STEP) "end to end" $(NODE_TEST)

## web: builds the example application
web:
	@cd examples/web && ../../$(STEP) "packages of examples/web" $(NPM_CI)
	@cd examples/web && ../../$(STEP) "build of examples/web" npm run build

## clients: the recipes of docs/clients.md
clients:
	@$(NEED) jq "The recipe for curl" jq
	@cd e2e/clients && ../../$(STEP) "packages of e2e/clients" $(NPM_CI)
	@cd e2e/clients && ../../$(STEP) "recipes of docs/clients.md" $(NODE_TEST)

# Apart from e2e, because composers and gateways are large. The README's commands need them too.
## gateways: the composed graph, and the service behind gateways
gateways:
	@cd examples/federation && ../../$(STEP) "packages of examples/federation" $(NPM_CI)
	@cd e2e/federation && ../../$(STEP) "packages of e2e/federation" $(NPM_CI)
	@cd e2e/federation && ../../$(STEP) "behind gateways" $(NODE_TEST)

# Debian's, for examples/replicas. Debian's service is not needed.
proxy:
	@$(NEED) haproxy "examples/replicas" haproxy

# Debian's, because npm packages download their own from elsewhere.
browser:
	@$(NEED) chromium "The tests in a browser" "chromium|google-chrome"

# For example FLAGS='-only W2,rollcall,proxy -rounds 9'. BASE=v1.0 also measures the
# service at that commit; WRITE=1 writes the result to docs/performance.md.
BENCH = go run . $(if $(BASE),-base $(BASE)) $(if $(WRITE),-write ../docs) $(FLAGS)

## bench: measures the service, a reverse proxy, gqlgen and Tailcall, in three minutes
bench:
	@cd bench && tailcall/install.sh && $(BENCH)

## bench-short: the responses and upstream calls of the servers that bench compares
bench-short:
	@$(STEP) "benchmark's responses and upstream calls" sh -c 'cd bench && go test ./... && go run . -short'

## golden: rewrites the golden files of the tests
golden:
	go test ./graph -update
