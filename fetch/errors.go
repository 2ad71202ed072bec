package fetch

import (
	"errors"
	"fmt"
)

// Sentinels of the contracts.
var (
	// ErrMiss: the cache has no response for the request.
	ErrMiss = errors.New("fetch: not in the cache")
	// ErrNotStorable: RFC 9111 section 3 forbids storing.
	ErrNotStorable = errors.New("fetch: not storable")
	// ErrUnknown: no such object, or not for whoever asks; uniform.
	ErrUnknown = errors.New("fetch: not found")
	// ErrChanged: the origin now has another representation.
	ErrChanged = errors.New("fetch: representation changed")
	// ErrNoRanges: the origin does not answer range requests.
	ErrNoRanges = errors.New("fetch: origin knows no ranges")
	// ErrBanned: the peer has lied before.
	ErrBanned = errors.New("fetch: peer is banned")
	// ErrNotDelivered: a reader or its flight was ended before the body was.
	ErrNotDelivered = errors.New("fetch: body not delivered")
)

// Cause is why a request failed, by the error types of RFC 9209 section 2.3.
type Cause string

// The causes of design.md section 13.
const (
	BadRequest      Cause = "http_request_error"
	Denied          Cause = "http_request_denied"
	DeniedAddress   Cause = "destination_ip_prohibited"
	DNS             Cause = "dns_error"
	Refused         Cause = "connection_refused"
	Terminated      Cause = "connection_terminated"
	Timeout         Cause = "connection_timeout"
	ReadTimeout     Cause = "connection_read_timeout"
	TLS             Cause = "tls_certificate_error"
	TLSProtocol     Cause = "tls_protocol_error"
	Protocol        Cause = "http_protocol_error"
	HeaderSize      Cause = "http_response_header_section_size"
	Incomplete      Cause = "http_response_incomplete"
	Loop            Cause = "proxy_loop_detected"
	OnlyIfCached    Cause = "cache_only"
	InternalFailure Cause = "proxy_internal_error"
)

// Failure is a request that got no response. Only node/proxy turns it into an
// HTTP status.
type Failure struct {
	Cause Cause
	// Err is the deed that failed and why.
	Err error
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: %v", f.Cause, f.Err) }

// Unwrap returns what lies beneath.
func (f *Failure) Unwrap() error { return f.Err }

// forwarded is an error of a request that had gone to the origin.
type forwarded struct {
	why string // Served.Forward
	error
}

func (f *forwarded) Unwrap() error { return f.error }

// ForwardOf returns why the request that ended with err was forwarded
// (Served.Forward), "" when it was not.
func ForwardOf(err error) string {
	var f *forwarded
	if errors.As(err, &f) {
		return f.why
	}
	return ""
}

// CauseOf returns the cause of err: that of the Failure in it, and otherwise
// InternalFailure.
func CauseOf(err error) Cause {
	var f *Failure
	if errors.As(err, &f) {
		return f.Cause
	}
	return InternalFailure
}
