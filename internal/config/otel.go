package config

import (
	"flag"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// otel has those variables of OpenTelemetry's specification that determine
// whether anything is exported. The SDK reads their values itself.
type otel struct {
	disabled        bool
	endpoint        string
	protocol        string
	traces, metrics signal
}

// signal has the variables of one signal.
type signal struct{ name, endpoint, exporter, protocol string }

func (o *otel) define(f *flag.FlagSet) {
	o.traces.name, o.metrics.name = "TRACES", "METRICS"
	f.StringVar(&o.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT", "", "the `URL` of a collector that accepts OTLP over HTTP; if unset, nothing is exported.\nThe SDK reads the other OTEL_* variables too")
	f.StringVar(&o.traces.endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "the `URL` of a collector for traces alone")
	f.StringVar(&o.metrics.endpoint, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "", "the `URL` of a collector for metrics alone")
	f.StringVar(&o.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "the `word` http/protobuf, the only protocol that is supported")
	f.StringVar(&o.traces.protocol, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "", "the same `word`, for traces")
	f.StringVar(&o.metrics.protocol, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "", "the same `word`, for metrics")
	f.StringVar(&o.traces.exporter, "OTEL_TRACES_EXPORTER", "otlp", "`otlp or none`: whether traces are exported")
	f.StringVar(&o.metrics.exporter, "OTEL_METRICS_EXPORTER", "otlp", "`otlp or none`: whether metrics are exported")
	f.BoolVar(&o.disabled, "OTEL_SDK_DISABLED", false, "`true or false`: whether nothing at all is exported")
}

// checkTelemetry determines what is exported, and checks the values that the
// export uses. It ignores values that are not used: the same OTEL_* variables are
// often set for all programs of a platform.
func (s *settings) checkTelemetry() {
	s.PushTraces = s.checkSignal(s.otel.traces)
	s.PushMetrics = s.checkSignal(s.otel.metrics)
	if s.PushTraces {
		s.checkNumbers(traceNumbers)
		s.checkSampler()
	}
	if s.PushMetrics {
		s.checkNumbers(metricNumbers)
	}
	if s.PushTraces || s.PushMetrics {
		s.checkAttributes()
	}
}

// checkSignal reports whether a signal is exported.
func (s *settings) checkSignal(g signal) bool {
	endpoint := g.endpoint
	endpointName, protocolName := "OTEL_EXPORTER_OTLP_"+g.name+"_ENDPOINT", "OTEL_EXPORTER_OTLP_"+g.name+"_PROTOCOL"
	if endpoint == "" {
		endpoint, endpointName = s.otel.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT"
	}
	if s.otel.disabled || endpoint == "" || g.exporter == "none" {
		return false
	}
	before := len(s.faults)
	s.checkChoice("OTEL_"+g.name+"_EXPORTER", g.exporter, "otlp", "none")
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		s.faultOnce(endpointName, "is not an http or https URL")
	}
	protocol := g.protocol
	if protocol == "" {
		protocol, protocolName = s.otel.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	if protocol != "http/protobuf" {
		s.faultOnce(protocolName, "%q is not supported; set http/protobuf, and the collector's port for OTLP over HTTP", protocol)
	}
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_" + g.name + "_"} {
		if headers := s.env[prefix+"HEADERS"]; headers != "" && !areHeaders(headers) {
			s.faultOnce(prefix+"HEADERS", "is not a list such as name=value,name=value with values percent-encoded")
		}
		if c := s.env[prefix+"COMPRESSION"]; c != "" && c != "gzip" && c != "none" {
			s.faultOnce(prefix+"COMPRESSION", "%q is not one of gzip, none", c)
		}
		s.checkNumbers(map[string]bounds{prefix + "TIMEOUT": {0, day}})
	}
	return len(s.faults) == before
}

// faultOnce is fault for a variable that both signals use.
func (s *settings) faultOnce(name, format string, args ...any) {
	if !slices.ContainsFunc(s.faults, func(err error) bool { return strings.HasPrefix(err.Error(), name+": ") }) {
		s.fault(name, format, args...)
	}
}

// areHeaders reports whether the SDK can parse a list of headers. If the SDK
// cannot, it prints the part that it cannot parse, which may be a secret.
func areHeaders(list string) bool {
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		notInToken := func(r rune) bool { // RFC 9110, section 5.6.2
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
		}
		value, err := url.PathUnescape(value)
		inValue := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
		if !found || name == "" || strings.ContainsFunc(name, notInToken) || err != nil || strings.ContainsFunc(value, inValue) {
			return false
		}
	}
	return true
}

// bounds are the smallest and the largest value of a variable.
type bounds struct{ least, most int }

const (
	day   = 24 * 60 * 60 * 1000 // in milliseconds
	spans = 1 << 20             // memory for them is allocated at startup
)

// traceNumbers and metricNumbers are numbers that the SDK reads. It panics if the
// size of a batch or a queue is negative or too large, and spins if a delay is
// not positive.
var (
	traceNumbers = map[string]bounds{
		"OTEL_BSP_SCHEDULE_DELAY":                {1, day},
		"OTEL_BSP_EXPORT_TIMEOUT":                {0, day},
		"OTEL_BSP_MAX_QUEUE_SIZE":                {1, spans},
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":         {1, spans},
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT":      {-1, math.MaxInt32},
		"OTEL_ATTRIBUTE_COUNT_LIMIT":             {-1, math.MaxInt32},
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": {-1, math.MaxInt32},
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":        {-1, math.MaxInt32},
		"OTEL_SPAN_EVENT_COUNT_LIMIT":            {-1, math.MaxInt32},
		"OTEL_SPAN_LINK_COUNT_LIMIT":             {-1, math.MaxInt32},
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT":       {-1, math.MaxInt32},
		"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT":        {-1, math.MaxInt32},
	}
	metricNumbers = map[string]bounds{
		"OTEL_METRIC_EXPORT_INTERVAL": {1, day},
		"OTEL_METRIC_EXPORT_TIMEOUT":  {1, day},
	}
)

func (s *settings) checkNumbers(numbers map[string]bounds) {
	for _, name := range s.sortedNames() {
		b, ok := numbers[name]
		if !ok || s.env[name] == "" {
			continue
		}
		if n, err := strconv.Atoi(s.env[name]); err != nil || n < b.least || n > b.most {
			s.faultOnce(name, "%q is not a whole number from %d to %d", s.env[name], b.least, b.most)
		}
	}
}

func (s *settings) checkSampler() {
	sampler := strings.ToLower(strings.TrimSpace(s.env["OTEL_TRACES_SAMPLER"]))
	if sampler == "" {
		return
	}
	s.checkChoice("OTEL_TRACES_SAMPLER", sampler,
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	arg := strings.TrimSpace(s.env["OTEL_TRACES_SAMPLER_ARG"])
	if !strings.HasSuffix(sampler, "traceidratio") || arg == "" {
		return
	}
	if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		s.fault("OTEL_TRACES_SAMPLER_ARG", "%q is not a number from 0 to 1", arg)
	}
}

func (s *settings) checkAttributes() {
	attributes := strings.TrimSpace(s.env["OTEL_RESOURCE_ATTRIBUTES"])
	if attributes == "" {
		return
	}
	for pair := range strings.SplitSeq(attributes, ",") {
		_, value, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(strings.TrimSpace(value)); !found || err != nil {
			s.fault("OTEL_RESOURCE_ATTRIBUTES", "is not a list such as name=value,name=value with values percent-encoded")
			return
		}
	}
}
