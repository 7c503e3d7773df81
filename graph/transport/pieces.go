package transport

import (
	"io"
	"net/http"
	"time"
)

// A caller that requests a large response and does not read it would keep the
// response in memory. Therefore large responses are written in pieces, each with
// a deadline. Bytes in the kernel's buffers count as read.
const (
	// pieceSize is the number of bytes that are written with one deadline.
	// Smaller responses have the server's deadline.
	pieceSize = 64 << 10
	// maxStall is how long a caller may read nothing.
	maxStall = 10 * time.Second
	// minRate is how many bytes a second a caller has to read, and rateGrace is
	// the total time for which it may be slower.
	minRate   = 64 << 10
	rateGrace = 10 * time.Second
)

// pieces writes a large response in pieces.
type pieces struct {
	to      io.Writer
	control *http.ResponseController
	began   time.Time
	written int
}

func newPieces(w http.ResponseWriter) *pieces {
	return &pieces{to: w, control: http.NewResponseController(w), began: time.Now()}
}

// Write writes a part of the response. After an error, the server closes the
// connection: the response is shorter than announced.
func (p *pieces) Write(part []byte) (n int, err error) {
	for n < len(part) && err == nil {
		_ = p.control.SetWriteDeadline(p.deadline(time.Now())) // a test's writer need not support deadlines
		var written int
		written, err = p.to.Write(part[n:min(len(part), n+pieceSize)])
		n += written
		p.written += written
	}
	return n, err
}

// deadline returns the deadline of the next piece.
func (p *pieces) deadline(now time.Time) time.Time {
	slowest := p.began.Add(rateGrace + time.Duration(p.written)*time.Second/minRate)
	if stalled := now.Add(maxStall); stalled.Before(slowest) {
		return stalled
	}
	return slowest
}
