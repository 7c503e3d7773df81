package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
	"unsafe"

	"github.com/go-faster/jx"
)

// The decoder is written by hand, on jx: it reads every field of every user, and
// reflection would cost more than the rest of a request. Its rules: a field that
// the reference page requires must be present and not null; any other may be
// absent or null, which mean the same; a known field with a wrong type is an
// error; an unknown field is skipped.
//
// Errors name a position in the contract, and never quote the body.

const (
	errMalformed = contractError("the body is not JSON")
	errWrongType = contractError("a value has the wrong type")
)

// The instants that RFC 3339 can represent: the years 0 to 9999.
const (
	minInstant = -62167219200
	maxInstant = 253402300799
)

const (
	// maxCursor is the longest cursor that is accepted, in bytes. It is sealed
	// into the cursor of each row, which a client sends back in a request.
	maxCursor = 4 << 10

	errLongCursor = contractError("the page: next_cursor is longer than 4 KiB")
	// errManyUsers compares with the largest page of the contract, not with the
	// requested size. A page that is somewhat larger than requested loses
	// nothing: each window takes its users and continues within the page.
	errManyUsers = contractError("the page: more users than the largest page has")
)

// decodePage decodes a page that was requested with a cursor, or with none. The
// page shares no memory with body.
func decodePage(body []byte, cursor string) (Page, error) {
	if !utf8.Valid(body) {
		return Page{}, contractError("the body is not UTF-8")
	}
	var page Page
	var hasMore, sawUsers, sawMore bool
	d := jx.DecodeBytes(body)
	err := fields(d, func(name []byte) (err error) {
		switch string(name) {
		case "users":
			sawUsers = true
			page.Users, err = users(d)
		case "has_more":
			sawMore = true
			hasMore, err = d.Bool()
		case "next_cursor":
			page.Next, err = text(d)
		default:
			err = skip(d)
		}
		return err
	})
	switch {
	case err != nil:
		return Page{}, fmt.Errorf("the page: %w", err)
	case !errors.Is(d.Skip(), io.EOF):
		return Page{}, errMalformed
	case !sawUsers:
		return Page{}, contractError("the page: users is missing")
	case !sawMore:
		return Page{}, contractError("the page: has_more is missing")
	case len(page.Next) > maxCursor:
		return Page{}, errLongCursor
	case !hasMore:
		page.Next = ""
	case page.Next == "":
		return Page{}, contractError("the page: has_more without a next_cursor")
	case page.Next == cursor:
		return Page{}, contractError("the page: next_cursor is the cursor that was sent")
	}
	page.detach()
	return page, nil
}

func users(d *jx.Decoder) ([]User, error) {
	list := make([]User, 0, 32)
	err := elements(d, func() error {
		if len(list) == MaxPageSize {
			return errManyUsers
		}
		list = append(list, User{})
		if err := decodeUser(d, &list[len(list)-1]); err != nil {
			return fmt.Errorf("users[%d]: %w", len(list)-1, err)
		}
		return nil
	})
	return list, err
}

// required is the set of the reference page's required fields that a user had.
type required uint8

const (
	sawID required = 1 << iota
	sawLast
	sawFirst
	sawCount
	sawConversation
	sawAll = 1<<iota - 1
)

func decodeUser(d *jx.Decoder, u *User) error {
	var saw required
	err := fields(d, func(name []byte) (err error) {
		switch string(name) {
		case "user_id":
			saw |= sawID
			u.ID, err = text(d)
		case "last_contact_unix_secs":
			saw |= sawLast
			u.LastContact, err = instant(d)
		case "first_contact_unix_secs":
			saw |= sawFirst
			u.FirstContact, err = instant(d)
		case "conversation_count":
			saw |= sawCount
			u.ConversationCount, err = count(d)
		case "last_contact_conversation_id":
			saw |= sawConversation
			u.LastContactConversationID, err = text(d)
		case "last_contact_agent_id":
			u.LastContactAgentID, err = text(d)
		case "last_contact_agent_name":
			u.LastContactAgentName, err = text(d)
		case "sentiment":
			u.Sentiment, err = sentiment(d)
		case "most_frustrated_conversations":
			u.MostFrustrated, err = frustrated(d)
		default:
			err = skip(d)
		}
		return err
	})
	if err == nil && saw != sawAll {
		err = contractError("a required field is missing")
	}
	return err
}

func sentiment(d *jx.Decoder) (*Sentiment, error) {
	s := new(Sentiment)
	err := fields(d, func(name []byte) (err error) {
		summary := &s.Overall
		if rest, ok := bytes.CutPrefix(name, []byte("recent_")); ok {
			summary, name = &s.Recent, rest
		}
		switch string(name) {
		case "scored_conversation_count":
			summary.Scored, err = count(d)
		case "positive_count":
			summary.Positive, err = count(d)
		case "neutral_count":
			summary.Neutral, err = count(d)
		case "negative_count":
			summary.Negative, err = count(d)
		case "average_sentiment_score":
			summary.AverageSentimentScore, err = score(d)
		case "average_frustration_score":
			summary.AverageFrustrationScore, err = score(d)
		default:
			err = skip(d)
		}
		return err
	})
	return s, err
}

// frustrated skips conversations without an ID, because they cannot be
// identified.
func frustrated(d *jx.Decoder) ([]FrustratedConversation, error) {
	list := []FrustratedConversation{}
	err := elements(d, func() error {
		c, err := frustratedConversation(d)
		if c.ConversationID != "" {
			list = append(list, c)
		}
		return err
	})
	return list, err
}

func frustratedConversation(d *jx.Decoder) (c FrustratedConversation, err error) {
	err = fields(d, func(name []byte) (err error) {
		switch string(name) {
		case "conversation_id":
			c.ConversationID, err = text(d)
		case "agent_id":
			c.AgentID, err = text(d)
		case "start_time_unix_secs":
			var at int64
			at, err = instant(d)
			c.StartedAt = &at
		case "overall_label":
			var label string
			label, err = text(d)
			c.Label = SentimentLabel(label)
		case "overall_sentiment_score":
			c.SentimentScore, err = score(d)
		case "overall_frustration_score":
			c.FrustrationScore, err = score(d)
		default:
			err = skip(d)
		}
		return err
	})
	return c, err
}

// fields calls read for each field of an object that is not null, with the
// decoder before its value.
func fields(d *jx.Decoder, read func(name []byte) error) error {
	if d.Next() != jx.Object {
		return errWrongType
	}
	var failure error
	err := d.ObjBytes(func(d *jx.Decoder, name []byte) error {
		if d.Next() == jx.Null {
			return d.Null()
		}
		failure = read(name)
		return failure
	})
	switch {
	case failure != nil:
		return ownError(failure)
	case err != nil:
		return errMalformed
	}
	return nil
}

// elements calls read for each element of an array, with the decoder before it.
func elements(d *jx.Decoder, read func() error) error {
	it, err := d.ArrIter()
	if err != nil {
		return errWrongType
	}
	for it.Next() {
		if err := read(); err != nil {
			return ownError(err)
		}
	}
	if it.Err() != nil {
		return errMalformed
	}
	return nil
}

// ownError returns this package's errors about a body as they are, and replaces jx's,
// which would quote the body.
func ownError(err error) error {
	if _, ok := errors.AsType[contractError](err); ok {
		return err
	}
	return errWrongType
}

func skip(d *jx.Decoder) error {
	if d.Skip() != nil {
		return errMalformed
	}
	return nil
}

func instant(d *jx.Decoder) (int64, error) {
	v, err := d.Int64()
	if err == nil && (v < minInstant || v > maxInstant) {
		err = contractError("an instant is out of range")
	}
	return v, err
}

// count reads an integer that GraphQL's Int can carry.
func count(d *jx.Decoder) (int, error) {
	v, err := d.Int64()
	if err == nil && (v < math.MinInt32 || v > math.MaxInt32) {
		err = contractError("a count is out of range")
	}
	return int(v), err
}

func score(d *jx.Decoder) (Score, error) {
	v, err := d.Float64()
	return Score{Value: v, Known: true}, err
}

// text reads a string. The string shares memory with the body, or with jx's copy
// of a string that has escapes, until the page is detached.
func text(d *jx.Decoder) (string, error) {
	b, err := d.StrBytes()
	return unsafe.String(unsafe.SliceData(b), len(b)), err
}

// detach copies the page's strings out of the body into one piece of memory. A
// body consists mostly of field names, and possibly of fields that are never
// read: a page that shared its memory would keep several times its own size
// alive.
func (p *Page) detach() {
	size := 0
	p.strings(func(s *string) { size += len(*s) })
	p.text = size
	memory := make([]byte, 0, size)
	p.strings(func(s *string) {
		begin := len(memory)
		memory = append(memory, *s...)
		own := memory[begin:] // never written to again
		*s = unsafe.String(unsafe.SliceData(own), len(own))
	})
}

// strings calls f for each of the page's strings.
func (p *Page) strings(f func(*string)) {
	f(&p.Next)
	for i := range p.Users {
		u := &p.Users[i]
		f(&u.ID)
		f(&u.LastContactAgentID)
		f(&u.LastContactAgentName)
		f(&u.LastContactConversationID)
		for j := range u.MostFrustrated {
			c := &u.MostFrustrated[j]
			f(&c.ConversationID)
			f(&c.AgentID)
			f((*string)(&c.Label))
		}
	}
}
