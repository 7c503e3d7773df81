package transport

import (
	"net/http"
	"time"
)

// A large response is in memory until its caller has read it, so a caller must not
// read as slowly as it likes. Megabytes of a response fit into the kernel's
// buffers and count as written, so a deadline for the whole response would have to
// be very long, or would fail callers that read steadily. Each piece has its own.

const (
	// pieceSize is how many bytes are written with one deadline.
	pieceSize = 64 << 10
	// patience is how long a caller may read nothing.
	patience = 10 * time.Second
	// minRate is how fast a caller must read on average, after patience, in bytes
	// per second.
	minRate = 64 << 10
)

// pacer writes a response in pieces. If the caller does not read a piece in time,
// Write fails, and the server closes the connection.
type pacer struct {
	to      http.ResponseWriter
	control *http.ResponseController
	began   time.Time
	written int
}

func newPacer(w http.ResponseWriter) *pacer {
	return &pacer{to: w, control: http.NewResponseController(w), began: time.Now()}
}

// Write implements io.Writer.
func (p *pacer) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		piece := b[n:min(n+pieceSize, len(b))]
		steady := p.began.Add(patience + time.Duration(p.written+len(piece))*time.Second/minRate)
		deadline := time.Now().Add(patience)
		if steady.Before(deadline) {
			deadline = steady
		}
		_ = p.control.SetWriteDeadline(deadline) // a test's recorder has none
		var m int
		m, err = p.to.Write(piece)
		p.written += m
		n += m
	}
	return n, err
}
