# make check is what CI runs: it passes on a fresh machine with Go and Node.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
KUBECTL_VALIDATE = go run sigs.k8s.io/kubectl-validate@v0.0.4
GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: check generated lint test operations e2e bench bench-short golden help

## help: this list
help:
	@sed -n "s,^## ,  make ,p" $(MAKEFILE_LIST)

## check: everything that CI checks
check: generated lint test operations bench-short e2e

## generated: fails where the generated code was not what the schema gives
generated:
	@echo "== generated code"
	@sum() { cat graph/internal/generated/*.go graph/*.resolvers.go | sha256sum; }; \
	before=$$(sum) && go generate ./... && test "$$before" = "$$(sum)" || \
	{ echo "the generated code was stale; it has been renewed: look at it and commit it"; exit 1; }

## generate: the code that gqlgen makes from the schema
generate:
	go generate ./...

## lint: gofmt, vet and the linters of .golangci.yml
lint:
	@echo "== linters"
	go mod tidy -diff
	$(GOLANGCI_LINT) run ./...
	cd bench && go mod tidy -diff && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...

## test: the Go tests, with the race detector
test:
	@echo "== Go tests"
	go test -race $$(go list ./... | grep -v /deploy$$)

## operations: the dashboard, the alerts and the manual against the running service
operations: prometheus
	@echo "== operations"
	go test -count=1 ./deploy -prometheus

# Debian's, for promtool and for the queries of the dashboard. Its service is not needed.
.PHONY: prometheus
prometheus:
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || { \
	  echo "== installing Debian's Prometheus"; \
	  test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null; } || { \
	  echo "The tests of the alerts need Prometheus: sudo apt-get install -y prometheus"; exit 1; }

## manifests: the Kubernetes manifests against the API server's own validation; not part of check, as it takes minutes to build
.PHONY: manifests
manifests:
	$(KUBECTL_VALIDATE) --version 1.30 deploy/kubernetes/rollcall.yaml

## vulnerabilities: the modules against Go's database of vulnerabilities; not part of check, as it needs the internet
.PHONY: vulnerabilities
vulnerabilities:
	$(GOVULNCHECK) ./...

## playground: GraphiQL from npm, for the next build to embed
.PHONY: playground
playground:
	@internal/playground/install.sh

## e2e: the built service with real clients, a browser, and behind gateways
e2e: browser playground web clients gateways
	@echo "== end to end"
	cd e2e && npm ci --no-audit --no-fund && npm test

## web: the example application, built
.PHONY: web
web:
	@echo "== examples/web"
	cd examples/web && npm ci --no-audit --no-fund && npm run build

## clients: the recipes of docs/clients.md
.PHONY: clients
clients:
	@echo "== clients"
	@command -v jq >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends jq >/dev/null; } || \
	{ echo "The recipe for curl needs jq: sudo apt-get install -y jq"; exit 1; }
	cd e2e/clients && npm ci --no-audit --no-fund && npm test

# Composers and gateways are large and apart; the README's commands need them too.
## gateways: composed, and behind gateways
.PHONY: gateways
gateways:
	@echo "== behind gateways"
	cd examples/federation && npm ci
	cd e2e/federation && npm ci && npm test

# The browser is Debian's: npm packages would fetch one of their own from elsewhere.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "== installing Debian's Chromium"; \
	  test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || { \
	  echo "The browser tests need Chromium: sudo apt-get install -y chromium"; exit 1; }

# Such as FLAGS='-only W2,rollcall,proxy -rounds 9'; BASE=v1.0 compares with the
# service as it stood there, WRITE=1 renews the result in docs/performance.md.
BENCH = go run . $(if $(BASE),-base $(BASE)) $(if $(WRITE),-write ../docs) $(FLAGS)

## bench: the service against a reverse proxy, gqlgen and Tailcall, in three minutes
bench:
	@cd bench && tailcall/install.sh && $(BENCH)

## bench-short: that what bench compares still answers as it should
bench-short:
	@echo "== benchmark, answers and upstream calls"
	cd bench && go test ./... && go run . -short

## golden: renews the golden files of the tests
golden:
	go test ./graph -update
