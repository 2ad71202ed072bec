package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Why this package itself ends a request.
var (
	errIdle    = errors.New("origin: no progress")
	errWait    = errors.New("origin: no free connection")
	errClosed  = errors.New("origin: body closed")
	errInterim = errors.New("origin: too many interim responses")
)

// dialCause says why a connection could not be opened.
func dialCause(err error) fetch.Cause {
	var denied *AddressError
	var dns *net.DNSError
	switch {
	case errors.As(err, &denied):
		return fetch.DeniedAddress
	case errors.As(err, &dns):
		return fetch.DNS
	case isTimeout(err):
		return fetch.Timeout
	default:
		// Refused, and unreachable too: design.md has one answer for both.
		return fetch.Refused
	}
}

// tlsCause says why a handshake failed.
func tlsCause(err error) fetch.Cause {
	var certificate *tls.CertificateVerificationError
	var chain *ChainError
	switch {
	case errors.As(err, &certificate), errors.As(err, &chain):
		return fetch.TLS
	case isTimeout(err):
		return fetch.Timeout
	default:
		return fetch.TLSProtocol
	}
}

// answerCause says why there was no response on a connection that stood.
func answerCause(err error) fetch.Cause {
	var op *net.OpError
	switch {
	case errors.Is(err, errInterim):
		return fetch.Protocol
	case isTimeout(err):
		return fetch.ReadTimeout
	case isHeaderTooLarge(err):
		return fetch.HeaderSize
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		// crypto/tls: an alert, such as that of a server which wants a
		// certificate from its client and says so after the handshake.
		return fetch.TLSProtocol
	case isBroken(err):
		return fetch.Terminated
	default:
		return fetch.Protocol
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// isHeaderTooLarge knows the two errors of net/http that have no name, one for
// each version of HTTP. Tests hold the wording.
func isHeaderTooLarge(err error) bool {
	s := err.Error()
	return strings.Contains(s, "server response headers exceeded") ||
		strings.Contains(s, "response header list larger than advertised limit")
}

// isBroken reports whether the connection ended under the request.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection") ||
		strings.Contains(err.Error(), "http2: client connection lost")
}

// sendFailure names what ended a request before its response came. outer is
// the caller's context, inner that of the request.
func sendFailure(outer, inner context.Context, err error) error {
	var known *fetch.Failure
	switch cause := context.Cause(inner); {
	case outer.Err() != nil:
		return fmt.Errorf("send: %w", outer.Err())
	case errors.Is(cause, errWait):
		return &fetch.Failure{Cause: fetch.Timeout, Err: cause}
	case errors.Is(cause, errIdle):
		return &fetch.Failure{Cause: fetch.ReadTimeout, Err: fmt.Errorf("send body: %w", cause)}
	case errors.As(err, &known):
		return known
	default:
		return &fetch.Failure{Cause: answerCause(err), Err: fmt.Errorf("send: %w", err)}
	}
}

// bodyFailure names what ended a body early. The result is never io.EOF, and
// io.ErrUnexpectedEOF stands in it when the origin ended the body.
func bodyFailure(outer, inner context.Context, err error) error {
	switch cause := context.Cause(inner); {
	case outer.Err() != nil:
		return fmt.Errorf("read body: %w", outer.Err())
	case errors.Is(cause, errIdle):
		return &fetch.Failure{Cause: fetch.ReadTimeout, Err: fmt.Errorf("read body: %w", cause)}
	case errors.Is(cause, errClosed):
		return errClosed
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &fetch.Failure{Cause: fetch.Incomplete, Err: fmt.Errorf("read body: %w", err)}
	default:
		return &fetch.Failure{Cause: fetch.Incomplete, Err: fmt.Errorf("read body: %w: %w", io.ErrUnexpectedEOF, err)}
	}
}

func failure(cause fetch.Cause, format string, args ...any) error {
	return &fetch.Failure{Cause: cause, Err: fmt.Errorf("origin: "+format, args...)}
}
