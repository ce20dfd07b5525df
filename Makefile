# Stonechat. `make run` to try it, `make test` to prove it; the rest is for those who work on it.

GO        ?= go
PROGRAM   ?= stonechat
DATA      ?= stonechat-data
TOOL       = $(GO) tool -modfile tools/go.mod
FUZZTIME  ?= 60s
export CGO_ENABLED ?= 0

.PHONY: run build test judge bench mutants lint format generate vulnerabilities go

run: build ## build and start on this machine, with a certificate and a first invite of its own
	./$(PROGRAM) serve --local --data $(DATA)

build: go ## one static program
	$(GO) build -trimpath -ldflags "-s -w" -o $(PROGRAM) ./cmd/stonechat

test: go ## what must always pass: at most 10 minutes on 2 cores, no root
	$(GO) test -timeout 9m ./...
	@./e2e/lacks.sh

judge: build ## the long matrix: transports, foreign clients, kills, power cuts, fuzzing
	./e2e/judge.sh

bench: build ## Stonechat, its peers and the floor in one run, as ratios
	$(GO) run ./e2e/load -stonechat ./$(PROGRAM) $(BENCH)

mutants: go ## one seeded fault at a time: each must turn something red
	$(GO) run ./e2e/mutants $(MUTANTS)

lint: go ## format, vet, staticcheck, spelling
	@test -z "$$($(TOOL) gofumpt -l $$(git ls-files '*.go'))" || { $(TOOL) gofumpt -l $$(git ls-files '*.go'); echo "not formatted: make format"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) misspell -error $$(git ls-files '*.go' '*.md')

format: ## format every file
	$(TOOL) gofumpt -w $$(git ls-files '*.go')

generate: go ## remake generated files
	$(GO) test ./config -update
	$(GO) test ./server -run Standards -update

vulnerabilities: go ## known holes in what is linked
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

go:
	@command -v $(GO) >/dev/null || { echo "Go 1.26 or newer is needed: https://go.dev/dl/"; exit 1; }
