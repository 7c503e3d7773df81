# make check is what CI runs: it passes on a fresh machine with Go and Node.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: check generated lint test e2e golden help

## help: this list
help:
	@sed -n "s,^## ,  make ,p" $(MAKEFILE_LIST)

## check: everything that CI checks
check: generated lint test e2e

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

## test: the Go tests, with the race detector
test:
	@echo "== Go tests"
	go test -race ./...

## e2e: the built service with real clients, and a browser
e2e: browser web
	@echo "== end to end"
	cd e2e && npm ci --no-audit --no-fund && npm test

## web: the example application, built
.PHONY: web
web:
	@echo "== examples/web"
	cd examples/web && npm ci --no-audit --no-fund && npm run build

# The browser is Debian's: npm packages would fetch one of their own from elsewhere.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "== installing Debian's Chromium"; \
	  test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || { \
	  echo "The browser tests need Chromium: sudo apt-get install -y chromium"; exit 1; }

## golden: renews the golden files of the tests
golden:
	go test ./graph -update
