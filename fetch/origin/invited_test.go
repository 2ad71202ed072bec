package origin

import "testing"

// TestInvitedBeforeTheInterimResponse: net/http lets the body be read between
// Got100Continue and Got1xxResponse. A reader that came in between took the
// interim response for a final one, and waited until the exchange was given up.
func TestInvitedBeforeTheInterimResponse(t *testing.T) {
	x := &tracer{}
	trace := x.trace()
	trace.GotFirstResponseByte()
	if !x.declined() {
		t.Error("an answer without 100 does not decline the body")
	}
	trace.Got100Continue()
	if x.declined() {
		t.Error("the body is declined although 100 came")
	}
}
