package upstream

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// decodeDetail reads the detail of a refusal in any of its forms: a list, an
// object, a string. A part that cannot be read is left out: the status decides.
func decodeDetail(body []byte) Detail {
	var refusal struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &refusal) != nil {
		return Detail{}
	}
	switch raw := bytes.TrimSpace(refusal.Detail); {
	case bytes.HasPrefix(raw, []byte("[")):
		return Detail{Faults: decodeFaults(raw)}
	case bytes.HasPrefix(raw, []byte("{")):
		return decodeDetailObject(raw)
	default:
		var d Detail
		_ = json.Unmarshal(raw, &d.Message)
		return d
	}
}

func decodeFaults(raw []byte) []Fault {
	var list []struct {
		Loc     []any  `json:"loc"` // strings and integers
		Message string `json:"msg"`
	}
	_ = json.Unmarshal(raw, &list)
	faults := make([]Fault, 0, len(list))
	for _, entry := range list {
		fault := Fault{Message: entry.Message}
		for _, place := range entry.Loc {
			if name, ok := place.(string); ok {
				fault.Param = name
			}
		}
		faults = append(faults, fault)
	}
	return faults
}

func decodeDetailObject(raw []byte) Detail {
	var object struct {
		Type      string `json:"type"`
		Code      string `json:"code"`
		Status    string `json:"status"`
		Message   string `json:"message"`
		Param     string `json:"param"`
		RequestID string `json:"request_id"`
	}
	// The other members are read even if one has a wrong type.
	_ = json.Unmarshal(raw, &object)
	return Detail{
		Type:      object.Type,
		Code:      object.Code,
		Status:    object.Status,
		Message:   object.Message,
		Param:     object.Param,
		RequestID: object.RequestID,
	}
}

// redactor returns a replacer that removes a key from texts, both as it is and
// percent-encoded.
func redactor(key APIKey) *strings.Replacer {
	secret := key.Reveal()
	if secret == "" {
		return strings.NewReplacer()
	}
	return strings.NewReplacer(secret, "[redacted]", url.QueryEscape(secret), "[redacted]")
}

// redacted returns the detail without the key: the upstream may quote what was
// sent, and with the service's own key the caller did not send it.
func (d Detail) redacted(key APIKey) Detail {
	r := redactor(key)
	for i, f := range d.Faults {
		d.Faults[i] = Fault{Param: r.Replace(f.Param), Message: r.Replace(f.Message)}
	}
	return Detail{
		Faults:    d.Faults,
		Type:      r.Replace(d.Type),
		Code:      r.Replace(d.Code),
		Status:    r.Replace(d.Status),
		Message:   r.Replace(d.Message),
		Param:     r.Replace(d.Param),
		RequestID: r.Replace(d.RequestID),
	}
}
