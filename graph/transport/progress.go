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

// progress records how much of a response has been written.
type progress struct {
	large   bool // whether the response is larger than pieceSize
	control *http.ResponseController
	began   time.Time
	written int
}

// write writes a part of the response. After an error, the server closes the
// connection: the response is shorter than announced.
func (p *progress) write(w io.Writer, part []byte) error {
	if !p.large {
		_, err := w.Write(part)
		return err
	}
	for len(part) > 0 {
		piece := part[:min(len(part), pieceSize)]
		_ = p.control.SetWriteDeadline(p.deadline(time.Now())) // a test's writer need not support deadlines
		n, err := w.Write(piece)
		p.written += n
		if err != nil {
			return err
		}
		part = part[len(piece):]
	}
	return nil
}

// deadline returns the deadline of the next piece.
func (p *progress) deadline(now time.Time) time.Time {
	slowest := p.began.Add(rateGrace + time.Duration(p.written)*time.Second/minRate)
	if stalled := now.Add(maxStall); stalled.Before(slowest) {
		return stalled
	}
	return slowest
}
