package config

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
)

// otel are those variables of OpenTelemetry's specification that decide whether
// anything is exported. Their values are for the SDK to read.
type otel struct {
	disabled                                  bool
	endpoint, tracesEndpoint, metricsEndpoint string
	tracesExporter, metricsExporter           string
	protocol, tracesProtocol, metricsProtocol string
}

func (o *otel) define(f *flag.FlagSet) {
	f.StringVar(&o.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT", "", "the `URL` of a collector that takes OTLP over HTTP; none, and nothing is exported.\nThe SDK reads the other OTEL_* variables as well")
	f.StringVar(&o.tracesEndpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "the `URL` of one for traces alone")
	f.StringVar(&o.metricsEndpoint, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "", "the `URL` of one for metrics alone")
	f.StringVar(&o.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "the `word` http/protobuf: there is no other")
	f.StringVar(&o.tracesProtocol, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "", "the same for traces")
	f.StringVar(&o.metricsProtocol, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "", "the same for metrics")
	f.StringVar(&o.tracesExporter, "OTEL_TRACES_EXPORTER", "otlp", "`otlp or none`: whether a collector gets traces")
	f.StringVar(&o.metricsExporter, "OTEL_METRICS_EXPORTER", "otlp", "`otlp or none`: whether a collector gets metrics")
	f.BoolVar(&o.disabled, "OTEL_SDK_DISABLED", false, "`true or false`: whether a collector gets nothing at all")
}

func (o *otel) check() error {
	var faults []error
	for _, e := range []struct{ name, value string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", o.endpoint}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", o.tracesEndpoint}, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", o.metricsEndpoint},
	} {
		if u, err := url.Parse(e.value); e.value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			faults = append(faults, fmt.Errorf("%s: is not an http or https URL", e.name))
		}
	}
	for _, e := range []struct{ name, value string }{
		{"OTEL_EXPORTER_OTLP_PROTOCOL", o.protocol}, {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", o.tracesProtocol}, {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", o.metricsProtocol},
	} {
		if e.value != "" && e.value != "http/protobuf" {
			faults = append(faults, fmt.Errorf("%s: %q is not http/protobuf, which is all that is spoken here", e.name, e.value))
		}
	}
	for _, e := range []struct{ name, value string }{{"OTEL_TRACES_EXPORTER", o.tracesExporter}, {"OTEL_METRICS_EXPORTER", o.metricsExporter}} {
		if e.value != "otlp" && e.value != "none" {
			faults = append(faults, fmt.Errorf("%s: %q is none of otlp, none", e.name, e.value))
		}
	}
	return errors.Join(faults...)
}

// pushes says what a collector wants.
func (o *otel) pushes() (traces, metrics bool) {
	wanted := func(exporter string, endpoints ...string) bool {
		for _, endpoint := range endpoints {
			if endpoint != "" && exporter == "otlp" && !o.disabled {
				return true
			}
		}
		return false
	}
	return wanted(o.tracesExporter, o.endpoint, o.tracesEndpoint), wanted(o.metricsExporter, o.endpoint, o.metricsEndpoint)
}
