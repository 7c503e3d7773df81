package upstream

import (
	"bytes"
	"encoding/json"
)

// decodeDetail reads the detail of a refusal in any of its forms: a list, an
// object, a string. What cannot be read is left out; a refusal's status says
// enough without it.
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
	// A member of a wrong type does not keep the others from being read.
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
