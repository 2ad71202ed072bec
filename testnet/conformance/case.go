package conformance

import "slices"

// Mode is a way in which a client reaches a cache.
type Mode string

// The modes of a node.
const (
	Forward Mode = "forward"
	Gateway Mode = "gateway"
	Mirror  Mode = "mirror"
)

// Modes are all of them.
var Modes = []Mode{Forward, Gateway, Mirror}

// Case is one requirement and the exchanges that show whether it is met.
type Case struct {
	// Section groups the cases in lists.
	Section string
	// Name is unique within its section.
	Name string
	// RFC is where the requirement stands, such as "9111 §4.2.1".
	RFC string
	// Only are the modes it is for; none means every mode, but for those that
	// do not carry its methods.
	Only []Mode
	// Steps are the exchanges, one after another.
	Steps []Step
}

// In reports whether c is a case for mode. A gateway carries GET and HEAD only.
func (c Case) In(mode Mode) bool {
	if len(c.Only) > 0 {
		return slices.Contains(c.Only, mode)
	}
	for _, s := range c.Steps {
		if mode == Gateway && s.Method != "" && s.Method != "GET" && s.Method != "HEAD" {
			return false
		}
	}
	return true
}

// Step is a request of the client, and all that must come of it.
//
// In fields, bodies and expectations of fields, {now}, {now-60} and {now+60}
// are dates relative to the moment the step begins (seconds); {850 now} and
// {asctime now} the two older forms of them. {base} is the URL of the case at
// the origin, {host} the origin's authority, and {name} the name of the cache
// in Via.
type Step struct {
	// Method is GET if empty.
	Method string
	// Path goes behind the path that the case has for itself.
	Path string
	// Fields of the request, "Name: value" each, in this order.
	Fields []string
	// Body of the request; it goes with Content-Length unless Fields say how.
	// Waits: it goes when 100 has come, and never when a final response has.
	Body  string
	Waits bool
	// Keep sends the request on the connection of the step before.
	Keep bool
	// Proto is HTTP/1.1 if empty.
	Proto string

	// Origin is what the origin answers, in order. It must be asked exactly
	// that often.
	Origin []Answer

	// Clients is how many clients ask at once, each as soon as the one before
	// has the first part of its body; 0 is one. The first Answer is then split.
	Clients int
	// Again repeats the step until all is as it should be: for what may happen
	// a moment after the response. It must not reach the origin.
	Again bool

	// Status of the response; 0 is 200. The status of an error of the cache
	// itself is named as any other.
	Status int
	// Want are expectations of the response's fields:
	//
	//	Name: value      all lines of the field, joined, are value
	//	Name             the field is there
	//	!Name            it is not
	//	Name ~ text      text stands in it
	//	Name !~ text     text does not stand in it
	//	Name in 10..20   it is a number within these
	//
	// The field Interim has the statuses of interim responses, and Interim-X
	// their fields X; Trailer-X is the trailer field X.
	Want []string
	// Broken: the body must not come to its proper end.
	Broken bool
	// WantBody is the body; "" is not looked at, None is an empty one.
	WantBody string
}

// None is an empty body as an expectation.
const None = "(none)"

// Answer is one response of the scripted origin.
type Answer struct {
	// Status is 200 if zero.
	Status int
	// Fields, "Name: value" each. Date: {now} goes with them unless they have
	// one, or NoDate is set, and Content-Length unless Chunked is set.
	Fields []string
	NoDate bool
	Body   string
	// Chunked sends the body in chunks, with Trailer behind it.
	Chunked bool
	Trailer []string
	// Before are whole interim responses. Held: the final response waits until
	// the client has seen one of them.
	Before []string
	Held   bool
	// Mute sends no 100 to a request that expects it, and Declines reads no
	// body of one either: the answer takes its place.
	Mute, Declines bool
	// Hangup closes the connection without a response, also when the question
	// is repeated on another connection.
	Hangup bool
	// Cut is how many octets of the body are withheld when the connection is
	// closed.
	Cut int

	// Method and Sees are what the request must have been; Method is that of
	// the step if empty. Sees is as Step.Want.
	Method   string
	Sees     []string
	SeesBody string
}

// Cases returns all cases, section by section.
func Cases() []Case {
	return slices.Concat(
		freshness(), ages(), storing(), directives(), validation(), updating(), conditions(),
		selection(), staleness(), ranges(), parts(), messages(), interims(), sharing(), methods(), statuses(), targeted(),
	)
}
