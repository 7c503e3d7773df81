package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
)

// net/http sends a GET anew by itself where a connection that it had kept breaks
// before an answer, and again where the next one does. Those are attempts that
// no budget knows of. It leaves alone what has a body that cannot be had again;
// so over HTTP/1 a request has one, of which there is nothing to send.
//
// HTTP/2 repeats nothing but what the server says it has not looked at, and
// would frame the body. Which of the two a server speaks is known by the time
// that there is a connection to keep.
//
// The price: a connection that the server closes in the very moment that it is
// used again is now a failure of ours. The second attempt is for that. It goes
// out at once, on a fresh connection, and the breaker counts nothing.

// nothing is the body of a request that has none.
type nothing struct{}

func (nothing) Read([]byte) (int, error)         { return 0, io.EOF }
func (nothing) WriteTo(io.Writer) (int64, error) { return 0, nil }
func (nothing) Close() error                     { return nil }

// doOnce is one attempt to send a request and to get the head of an answer.
func (c *Client) doOnce(req *http.Request) (*http.Response, error) {
	kept := false // whether the connection has carried a request before
	if c.http1.Load() {
		req.Body = nothing{}
		req.TransferEncoding = []string{"identity"} // else net/http waits for the body before it sends the head
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused },
		}))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = broken(req.Context(), APIKey{}, Sending, nil, err)
		if e, ok := errors.AsType[*Error](err); ok && kept && e.Kind == Unavailable {
			e.stale = true
			c.http.CloseIdleConnections() // those of the same age
		}
		return nil, err
	}
	if http1 := resp.ProtoMajor == 1; c.http1.Load() != http1 {
		c.http1.Store(http1)
	}
	return resp, nil
}
