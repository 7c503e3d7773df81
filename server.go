// Rollcall is a GraphQL facade over the ElevenLabs endpoint List users.
//
//go:generate go tool gqlgen generate
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"rollcall/graph"
	"rollcall/graph/persisted"
	"rollcall/graph/transport"
	"rollcall/internal/admin"
	"rollcall/internal/auth"
	"rollcall/internal/build"
	"rollcall/internal/config"
	"rollcall/internal/cork"
	"rollcall/internal/drain"
	"rollcall/internal/origin"
	"rollcall/internal/playground"
	"rollcall/internal/quota"
	"rollcall/internal/standardlog"
	"rollcall/internal/telemetry"
	"rollcall/upstream"
	"rollcall/upstream/emulator"
	"rollcall/upstream/shared"
)

func main() {
	if os.Getenv("ADMIN_ADDR") == "off" {
		runtime.MemProfileRate = 0 // no listener serves the profile of allocations
	}
	ballast := newBallast()
	signal.Ignore(syscall.SIGPIPE) // otherwise the process ends if the reader of its log does
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], environment(), os.Stdout, os.Stderr)
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// environment returns the process's variables by name.
func environment() map[string]string {
	env := make(map[string]string)
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env
}

// newBallast returns memory that counts as live for the garbage collector but
// occupies none, because it is never touched. Other live memory is a few
// megabytes, and the collector runs when as much again has become garbage, as
// each page does once it is sent. With a ballast the collector waits for that
// much more, at any load. If GOGC is set, it replaces the ballast.
func newBallast() []byte {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	return make([]byte, 24<<20)
}

// run is the whole process except its exit. It returns the exit code: 0 after a
// graceful stop, -help, -version or a successful -healthcheck; 1 if serving or
// the health check failed; 2 if an argument or a setting is invalid.
func run(ctx context.Context, args []string, env map[string]string, stdout io.Writer, stderr *os.File) int {
	flags := flag.NewFlagSet("rollcall", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {}
	version := flags.Bool("version", false, "")
	healthcheck := flags.Bool("healthcheck", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(stdout)
		return 0
	case err != nil: // Parse has printed the error
		fmt.Fprintf(stderr, "rollcall: see -help\n")
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "rollcall: takes no arguments; see -help\n")
		return 2
	case *version:
		fmt.Fprintf(stdout, "rollcall %v\n", build.Read())
		return 0
	}
	c, err := config.Load(env, config.Deps{
		RegionURL: upstream.RegionURL, ParseOrigin: origin.Parse, CheckRedisURL: shared.CheckURL, ReadFile: os.ReadFile, Terminal: isTerminal(stderr),
	})
	if *healthcheck { // the checked service has started, so other settings do not matter
		return checkHealth(ctx, c.ListenAddr, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "rollcall: the configuration is not valid:\n%s\n", strings.Join(append([]string{err.Error()}, c.Warnings...), "\n"))
		return 2
	}
	log := newLog(c, stderr)
	for _, warning := range c.Warnings {
		log.Warn("a setting is probably wrong", "warning", warning)
	}
	public, adminListener, err := listen(ctx, c, log)
	if err != nil {
		log.Error("cannot listen", "error", err)
		return 1
	}
	err = serve(ctx, c, public, adminListener, log)
	if invalid, ok := errors.AsType[documentsError](err); ok {
		fmt.Fprintf(stderr, "rollcall: the configuration is not valid:\n%v\n", invalid)
		return 2
	}
	if err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

// checkHealth prints whether the service that listens on an address is alive and
// ready, and returns the exit code: 0 or 1.
func checkHealth(ctx context.Context, listenAddr string, stdout, stderr io.Writer) int {
	if err := admin.CheckHealth(ctx, listenAddr); err != nil {
		fmt.Fprintf(stderr, "rollcall: not healthy: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, "rollcall: healthy")
	return 0
}

// listen opens the listeners. The admin listener is nil if there is none.
func listen(ctx context.Context, c config.Config, log *slog.Logger) (public, adminListener net.Listener, err error) {
	public, err = new(net.ListenConfig).Listen(ctx, "tcp", c.ListenAddr)
	if err != nil {
		return nil, nil, fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	if c.AdminAddr == "" {
		return public, nil, nil
	}
	adminListener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.AdminAddr)
	switch {
	case err == nil:
		return public, adminListener, nil
	case c.AdminOptional:
		log.Warn("there is no admin listener; set ADMIN_ADDR to another address, or to off", "error", err)
		return public, nil, nil
	default:
		_ = public.Close()
		return nil, nil, fmt.Errorf("ADMIN_ADDR: %w", err)
	}
}

// serve serves the listeners until ctx is cancelled. It then responds to the
// requests on open connections, within the time that a stop may take.
func serve(ctx context.Context, c config.Config, public, adminListener net.Listener, log *slog.Logger) error {
	if c.Demo {
		stop, err := startDemo(ctx, &c, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	c.ListenAddr = public.Addr().String() // the address that a host name resolved to
	built := build.Read()
	tel, err := telemetry.Start(ctx, telemetry.Options{
		Version: built.Version, Commit: built.Commit, Go: built.Go,
		Scrape: adminListener != nil, PushMetrics: c.PushMetrics, PushTraces: c.PushTraces, Log: log,
	})
	if err != nil {
		return err
	}
	defer endTelemetry(ctx, tel, log)
	standardlog.Replace(log, tel.MeterProvider) //nolint:contextcheck // its counter starts outside of any request
	var draining drain.Drain
	store, err := openStore(ctx, c, tel, log)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	calls := newQuota(c, store)
	client := newClient(c, store, calls, tel, log) //nolint:contextcheck // its counters start outside of any request
	defer client.Close()
	secret := callerSecret(c)
	executor := newExecutor(c, client, store, secret, log)
	defer executor.Close()
	stale, err := trustDocuments(ctx, c, executor, log)
	if err != nil {
		return err
	}
	authenticate, known := newAuthenticator(ctx, c, log)
	ready := func() bool { return draining.Ready() && known() }
	handler := newHandler(c, executor, secret, calls, authenticate, ready, stale, tel, log) //nolint:contextcheck // its counters start outside of any request
	server := newServer(draining.Handler(handler), c, log)
	server.ConnState = draining.ConnState
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(cork.Listener(public)) }()
	log.Info("starting", "version", built.Version, "commit", built.Commit, "go", built.Go, "traces", c.PushTraces, "metrics", c.PushMetrics)
	log.Info("listening", "graphql", fmt.Sprintf("http://%s/graphql", public.Addr()), "playground", c.Playground, "auth", c.Auth)
	if adminListener != nil {
		adminHandler := admin.NewHandler(ready, tel.Page)
		if config.IsLoopback(adminListener.Addr().String()) {
			adminHandler = origin.OnlyLocal(adminHandler)
		}
		adminServer := &http.Server{Handler: adminHandler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
		defer func() { _ = adminServer.Close() }() // last, because it reports the state of the rest
		go func() { failed <- adminServer.Serve(adminListener) }()
		log.Info("listening", "admin", fmt.Sprintf("http://%s/", adminListener.Addr()))
	}

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: requests are still accepted", "delay", c.ShutdownDelay)
	draining.Close()
	time.Sleep(c.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.UpstreamTimeout+5*time.Second)
	defer cancel()
	draining.End(ctx, public)
	err = server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // for example because an upload never ends
		log.Warn("the deadline of the stop has expired: requests are cut off", "requests", draining.Busy())
		_ = server.Close()
		return nil // the stop was requested, so it is not a failure
	}
	return err
}

// endTelemetry exports the remaining telemetry.
func endTelemetry(ctx context.Context, tel *telemetry.Telemetry, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		log.Warn("some telemetry is lost", "error", err)
	}
}

// maxHeader is the longest head of a request, from its first line to the empty
// one, in bytes. On a reused connection it may be one buffer longer.
const maxHeader = 32 << 10

// newServer returns a server that bounds the time and the size of each request.
func newServer(handler http.Handler, c config.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ConnContext:       cork.ConnContext,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      c.UpstreamTimeout + 30*time.Second,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    maxHeader - 4<<10, // net/http adds as much, for what it has already read of the next request
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// openStore returns the store that this replica shares with the others, or nil if
// it shares nothing.
func openStore(ctx context.Context, c config.Config, tel *telemetry.Telemetry, log *slog.Logger) (*shared.Store, error) {
	if c.RedisURL == "" {
		return nil, nil //nolint:nilnil // sharing nothing is an ordinary case
	}
	return shared.Open(ctx, shared.Config{URL: c.RedisURL, Upstream: c.Upstream.String(), Log: log, MeterProvider: tel.MeterProvider})
}

// callQuota limits the upstream calls of each caller.
type callQuota interface {
	Wait(caller upstream.Caller) time.Duration
	Spend(caller upstream.Caller)
}

// newQuota returns the quota of upstream calls for each caller, or nil if a
// caller may make any number.
func newQuota(c config.Config, store *shared.Store) callQuota {
	switch {
	case c.RateLimit == 0:
		return nil
	case store != nil:
		return sharedQuota{store.Quota(c.RateLimit)}
	default:
		return quota.New[upstream.Caller](c.RateLimit)
	}
}

// sharedQuota is a quota over all replicas.
type sharedQuota struct{ *shared.Quota }

func (q sharedQuota) Wait(c upstream.Caller) time.Duration {
	return q.Quota.Wait(shared.Caller{APIKey: c.Key.Reveal(), Subject: c.Subject})
}

func (q sharedQuota) Spend(c upstream.Caller) {
	q.Quota.Spend(shared.Caller{APIKey: c.Key.Reveal(), Subject: c.Subject})
}

// newClient returns a client for the upstream. Each call that it sends spends a
// token of the quota.
func newClient(c config.Config, store *shared.Store, calls callQuota, tel *telemetry.Telemetry, log *slog.Logger) *upstream.Client {
	u := upstream.Config{
		BaseURL: c.Upstream, Timeout: c.UpstreamTimeout, Concurrency: c.UpstreamConcurrency, Connections: c.UpstreamConnections,
		CallersKeys: c.Auth == config.AuthPassthrough, CacheTTL: c.CacheTTL,
		TracerProvider: tel.TracerProvider, MeterProvider: tel.MeterProvider, Log: log,
	}
	if calls != nil {
		u.OnCall = calls.Spend
	}
	if store != nil {
		u.NewLimiter = func(key upstream.APIKey, limit int) upstream.Limiter { return store.Limiter(key.Reveal(), limit) }
		u.SharedPages = func(key upstream.APIKey) upstream.SharedPages {
			pages, err := store.Pages(key.Reveal(), c.CacheTTL)
			if err != nil {
				return nil // without a key
			}
			return pages
		}
	}
	return upstream.NewClient(u)
}

// newExecutor returns the executor of all operations. The secret seals the cursors
// of callers without a key.
func newExecutor(c config.Config, client *upstream.Client, store *shared.Store, secret string, log *slog.Logger) *graph.Executor {
	g := graph.Config{
		Client:           client,
		CallersKey:       c.Auth == config.AuthPassthrough,
		CursorSecret:     secret,
		PreviousKey:      c.PreviousAPIKey,
		CacheTTL:         c.CacheTTL,
		Introspection:    c.Introspection,
		PersistedQueries: c.PersistedQueries,
		Timeout:          c.UpstreamTimeout,
		Limits:           graph.Limits(c.Limits),
		Log:              log,
	}
	if store != nil {
		g.SharedDocuments = func(key upstream.APIKey) graph.SharedDocuments {
			documents, err := store.Documents(key.Reveal())
			if err != nil {
				return nil // without a key
			}
			return documents
		}
	}
	return graph.NewExecutor(g)
}

// documentsError reports that the trusted documents cannot be used.
type documentsError struct{ error }

func (e documentsError) Error() string { return "TRUSTED_DOCUMENTS: " + e.error.Error() }

// trustDocuments loads the trusted documents, if there are any, and reloads them
// when they change, until ctx is cancelled. The returned function reports whether
// they have changed and cannot be used; it is nil if there are none.
func trustDocuments(ctx context.Context, c config.Config, executor *graph.Executor, log *slog.Logger) (stale func() bool, err error) {
	if len(c.TrustedDocuments) == 0 {
		return nil, nil //nolint:nilnil // no documents are an ordinary case
	}
	source := persisted.NewSource(c.TrustedDocuments, readDocuments)
	trust := func(documents []persisted.Document) error {
		return executor.Trust(graph.TrustMode(c.TrustedDocumentsMode), documents)
	}
	documents, err := source.Load()
	if err == nil {
		err = trust(documents)
	}
	if err != nil {
		return nil, documentsError{err}
	}
	log.Info("documents are trusted", "documents", len(documents), "mode", c.TrustedDocumentsMode)
	go source.Watch(ctx, trust, log)
	return source.Stale, nil
}

// readDocuments returns the content of a file, up to a byte more than it may have.
func readDocuments(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, persisted.MaxFile+1))
}

// newHandler returns the handler of everything that the service serves.
func newHandler(c config.Config, executor *graph.Executor, secret string, calls callQuota, authenticate auth.Authenticator, ready, stale func() bool, tel *telemetry.Telemetry, log *slog.Logger) http.Handler {
	admit := origin.Admit
	if c.Auth == config.AuthNone && config.IsLoopback(c.ListenAddr) {
		admit = origin.AdmitLocal
	}
	t := transport.Config{
		Executor: executor,
		Admit:    admit(c.CORSOrigins),
		Authenticate: func(r *http.Request) (upstream.Caller, error) {
			caller, err := authenticate(r)
			return upstream.Caller{Key: upstream.NewAPIKey(caller.Key), Subject: caller.Subject}, err
		},
		MaxBody:        c.MaxBody,
		RefuseGET:      !c.HTTPGet,
		ExecuteEach:    !c.ShareRequests,
		Log:            log,
		LogSecret:      secret,
		StaleDocuments: stale,
		TracerProvider: tel.TracerProvider,
		MeterProvider:  tel.MeterProvider,
	}
	if calls != nil {
		t.Wait = calls.Wait
	}
	switch c.Auth {
	case config.AuthJWT:
		t.Challenge = "Bearer"
		if c.JWT.Scope != "" { // RFC 6750, section 3.1; a scope needs no escapes
			t.ScopeChallenge = fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, c.JWT.Scope)
		}
	case config.AuthPassthrough: // no registered scheme sends a key in a separate header
		t.Challenge = `ApiKey header="xi-api-key"`
	}
	mux := http.NewServeMux()
	admin.HandleProbes(mux, ready) // for balancers that reach only the public listener
	mux.Handle(graphqlPath, cork.Handler(transport.NewHandler(t)))
	if c.Playground {
		p := playground.NewHandler(playground.Config{
			Endpoint: graphqlPath, Demo: c.Demo, Credential: credentialHeader(c.Auth), Introspection: c.Introspection,
		})
		mux.Handle("/{$}", p)
		mux.Handle("/playground/", p)
		if !p.Embedded() {
			log.Info("the playground loads GraphiQL from a CDN; make playground embeds it in the next build")
		}
	}
	return origin.CORS(c.CORSOrigins, transport.Methods(c.HTTPGet), private(mux))
}

// private keeps every response out of caches, and its URL out of other sites'
// logs, unless its handler decides otherwise. A URL with a GraphQL request may have
// a wrong path: the response is then a 404, or a redirect that repeats the URL.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != graphqlPath { // whose handler sets them itself
			transport.SetPrivate(w.Header())
		}
		next.ServeHTTP(w, r)
	})
}

const graphqlPath = "/graphql"

// callerSecret seals cursors, and is the key of callers' hashes in the log, if
// there is no API key. With AUTH=none all callers are one, so the secret protects
// nothing, and replicas must agree on it: it is derived from the upstream's URL.
// Otherwise a caller that knew the secret could make other callers' cursors: it
// is random, and lasts as long as the process.
func callerSecret(c config.Config) string {
	if c.Auth == config.AuthNone {
		return "rollcall: cursors without a key: " + c.Upstream.String()
	}
	return rand.Text()
}

// credentialHeader is the header that callers need, if any.
func credentialHeader(a config.Auth) string {
	switch a {
	case config.AuthPassthrough:
		return "xi-api-key"
	case config.AuthJWT:
		return "authorization"
	default:
		return ""
	}
}

// newAuthenticator returns the function that authenticates callers, and one that
// reports whether it can do so yet.
func newAuthenticator(ctx context.Context, c config.Config, log *slog.Logger) (authenticate auth.Authenticator, known func() bool) {
	always := func() bool { return true }
	switch c.Auth {
	case config.AuthPassthrough:
		return auth.Passthrough(), always
	case config.AuthJWT:
		return auth.JWT(ctx, auth.Issuer{JWKSURL: c.JWT.JWKSURL, Name: c.JWT.Issuer, Audience: c.JWT.Audience, Scope: c.JWT.Scope}, c.APIKey, log)
	default:
		return auth.None(c.APIKey), always
	}
}

// startDemo serves the emulator on a free port, and makes it c's upstream.
func startDemo(ctx context.Context, c *config.Config, log *slog.Logger) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	server := &http.Server{Handler: emulator.New(emulator.Options{}), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() { _ = server.Serve(listener) }() // returns after stop
	c.Upstream = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	c.APIKey = "demo"
	c.Auth = config.AuthNone
	log.Info("this is the demo, with made-up users; for real ones set ELEVENLABS_API_KEY and AUTH", "emulator", c.Upstream.String())
	return func() { _ = server.Close() }, nil
}

// newLog returns the service's log. Durations are text, such as 1.5s: slog's JSON
// would write them as numbers of nanoseconds.
func newLog(c config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func writeHelp(w io.Writer) {
	fmt.Fprint(w, `Rollcall serves the users who have talked to your ElevenLabs agents as a GraphQL API.

Usage: rollcall [-version | -help | -healthcheck]

-healthcheck requests /livez and /readyz of the service that runs on this machine with the same
LISTEN_ADDR, and exits with 0 or 1.

If none of ELEVENLABS_API_KEY, ELEVENLABS_API_KEY_FILE, UPSTREAM_URL, UPSTREAM_REGION and AUTH is
set, it serves a demo in front of an emulator of the upstream. All settings are environment variables:

`)
	config.WriteHelp(w)
}
