package conformance

import "strconv"

func selection() []Case {
	s := &section{name: "Vary"}
	stored := func(vary string, fields ...string) Step {
		return get(fields...).from(says("Cache-Control: max-age=3600", "Vary: "+vary))
	}
	other := func(vary string, fields ...string) Step {
		return get(fields...).from(changed("Cache-Control: max-age=3600", "Vary: "+vary))
	}
	s.add("9111 §4.1", "the same field", stored("X-A", "X-A: 1"), hit("X-A: 1"))
	s.add("9111 §4.1", "another value", stored("X-A", "X-A: 1"), other("X-A", "X-A: 2"))
	s.add("9111 §4.1", "both variants are kept", stored("X-A", "X-A: 1"), other("X-A", "X-A: 2"), hit("X-A: 1"), get("X-A: 2").body("second"))
	s.add("9111 §4.1", "the field is missing", stored("X-A", "X-A: 1"), other("X-A"))
	s.add("9111 §4.1", "the field was missing", stored("X-A"), other("X-A", "X-A: 1"))
	s.add("9111 §4.1", "missing twice is the same", stored("X-A"), hit())
	s.add("9111 §4.1", "an empty field is not a missing one", stored("X-A"), other("X-A", "X-A:"))
	s.add("9110 §5.1", "names in any case", stored("x-a", "X-A: 1"), hit("x-A: 1"))
	s.add("9111 §4.1", "a field that Vary does not name", stored("X-A", "X-B: 1"), hit("X-B: 2"))
	s.add("9111 §4.1", "several fields, all the same", stored("X-A, X-B", "X-A: 1", "X-B: 1"), hit("X-B: 1", "X-A: 1"))
	s.add("9111 §4.1", "several fields, the last differs", stored("X-A, X-B", "X-A: 1", "X-B: 1"), other("X-A, X-B", "X-A: 1", "X-B: 2"))
	s.add("9110 §5.3", "several lines of Vary",
		get("X-A: 1", "X-B: 1").from(says("Cache-Control: max-age=3600", "Vary: X-A", "Vary: X-B")), miss("X-A: 1", "X-B: 2"))
	s.add("9110 §5.3", "several lines of the field", stored("X-A", "X-A: 1", "X-A: 2"), hit("X-A: 1, 2"))
	s.add("9110 §5.5", "space around a value", stored("X-A", "X-A: 1"), hit("X-A:   1  "))
	s.add("9111 §4.1", "space within a list of languages", stored("Accept-Language", "Accept-Language: en,de"), hit("Accept-Language: en, de"))
	s.add("9111 §4.1", "case of languages", stored("Accept-Language", "Accept-Language: en-GB"), hit("Accept-Language: en-gb"))
	s.add("9111 §4.1", "the order of languages", stored("Accept-Language", "Accept-Language: en, de"),
		other("Accept-Language", "Accept-Language: de, en"))
	s.add("9111 §4.1", "star", stored("*"), other("*"))
	s.add("9111 §4.1", "star among others", stored("X-A, *", "X-A: 1"), other("X-A, *", "X-A: 1"))
	s.add("9111 §4.1", "star in another line",
		get().from(says("Cache-Control: max-age=3600", "Vary: X-A", "Vary: *")), miss())
	s.add("9111 §4.1", "Accept-Encoding that comes to the same", stored("Accept-Encoding", "Accept-Encoding: gzip"),
		hit("Accept-Encoding: gzip, br"))
	s.add("9111 §4.1", "Accept-Encoding of another coding", stored("Accept-Encoding", "Accept-Encoding: gzip"),
		other("Accept-Encoding", "Accept-Encoding: identity"))
	s.add("9111 §4.1", "of several that match, the latest Date",
		get("X-A: 1").from(says("Cache-Control: max-age=3600", "Vary: X-A", "Date: {now-60}")),
		get("X-A: 2").from(changed("Cache-Control: max-age=3600")), get("X-A: 1").body("second"))
	s.add("9111 §4.1", "each variant is validated by its own tag",
		get("X-A: 1").from(says("Cache-Control: max-age=10", "Date: {now-600}", "Vary: X-A", `ETag: "a"`)),
		get("X-A: 2").from(changed("Cache-Control: max-age=10", "Date: {now-600}", "Vary: X-A", `ETag: "b"`)),
		get("X-A: 1").from(unchanged(`ETag: "a"`).seeing(`If-None-Match: "a"`)).status(200).body("first"))
	s.add("9111 §4.1", "a Vary that changes: the latest response decides",
		get("X-A: 1", "X-B: 1").from(says("Cache-Control: max-age=3600", "Vary: X-A", "Date: {now-60}")),
		get("X-A: 2", "X-B: 1").from(changed("Cache-Control: max-age=3600", "Vary: X-B")),
		get("X-A: 1", "X-B: 1").body("second"))
	s.add("9111 §4.1", "a Vary that appears with a 304",
		get("X-A: 1").from(says("Cache-Control: max-age=10", "Date: {now-600}", `ETag: "a"`)),
		get("X-A: 1").from(unchanged("Cache-Control: max-age=3600", `ETag: "a"`, "Vary: X-A")).status(200).body("first"),
		hit("X-A: 1"), other("X-A", "X-A: 2"))
	many := []Step{}
	for i := range 12 {
		many = append(many, stored("X-A", "X-A: "+strconv.Itoa(i)))
	}
	s.add("9111 §4.1", "a dozen variants, the last ones are there", append(many, hit("X-A: 11"), hit("X-A: 8"))...)
	return s.cases
}

func staleness() []Case {
	s := &section{name: "Stale responses"}
	old := func(control string) Step {
		return get().from(says("Cache-Control: max-age=10"+control, "Date: {now-30}", `ETag: "a"`))
	}
	gone := Answer{Hangup: true}
	for _, status := range []int{500, 502, 503, 504} {
		s.add("5861 §4", "stale-if-error, the origin says "+strconv.Itoa(status), old(", stale-if-error=600"),
			Step{Status: 200, WantBody: "first", Origin: []Answer{{Status: status, Body: "trouble"}}})
	}
	s.add("5861 §4", "stale-if-error, the origin hangs up", old(", stale-if-error=600"), Step{Origin: []Answer{gone}}.body("first"))
	s.add("5861 §4", "stale-if-error in the request", old(""),
		Step{Fields: []string{"Cache-Control: stale-if-error=600"}, Status: 200, WantBody: "first", Origin: []Answer{{Status: 500, Body: "trouble"}}})
	s.add("5861 §4", "stale-if-error that is over", old(", stale-if-error=5"), get().from(Answer{Status: 500, Body: "trouble"}))
	s.add("5861 §4", "stale-if-error is not for a 404", old(", stale-if-error=600"), get().from(Answer{Status: 404, Body: "trouble"}))
	s.add("9111 §4.2.4", "the age of a stale response", old(", stale-if-error=600"),
		Step{Origin: []Answer{gone}}.body("first").want("Age in 30..40"))
	s.add("9111 §4.2.4", "stale when the origin cannot be reached", old(""), Step{Origin: []Answer{gone}}.body("first"))
	for _, pinned := range []string{"must-revalidate", "proxy-revalidate", "s-maxage=10"} {
		s.add("9111 §4.2.4", pinned+", the origin hangs up", old(", "+pinned), Step{Origin: []Answer{gone}}.status(504).want("Proxy-Status ~ error="))
		s.add("9111 §4.2.4", pinned+" with stale-if-error, the origin hangs up", old(", stale-if-error=600, "+pinned),
			Step{Origin: []Answer{gone}}.status(504))
		s.add("9111 §4.3.3", pinned+", the origin says 500", old(", stale-if-error=600, "+pinned), get().from(Answer{Status: 500, Body: "trouble"}))
	}
	s.add("9111 §5.2.2.4", "no-cache, the origin hangs up",
		get().from(says("Cache-Control: max-age=3600, no-cache", `ETag: "a"`)), Step{Origin: []Answer{gone}}.status(504))
	s.add("9209 §2.3", "an origin that hangs up, nothing stored", Step{Origin: []Answer{gone}}.status(502).want("Proxy-Status ~ error=", "Content-Type"))
	s.add("9209 §2.3", "an error of the cache is not stored", Step{Origin: []Answer{gone}}.status(502).want("Cache-Control: no-store"),
		get().from(says()))
	again := unchanged("Cache-Control: max-age=3600", `ETag: "a"`).seeing(`If-None-Match: "a"`)
	s.add("5861 §3", "stale-while-revalidate", old(", stale-while-revalidate=600"),
		Step{Origin: []Answer{again}}.body("first").want("Age in 30..40"),
		Step{Again: true}.body("first").want("Age in 0..10"))
	s.add("5861 §3", "stale-while-revalidate brings what is new", old(", stale-while-revalidate=600"),
		Step{Origin: []Answer{changed("Cache-Control: max-age=3600")}}.body("first"),
		Step{Again: true}.body("second"))
	s.add("5861 §3", "stale-while-revalidate that is over", old(", stale-while-revalidate=5"),
		get().from(again).status(200).body("first").want("Age in 0..10"))
	s.add("9111 §5.2.2.2", "stale-while-revalidate against must-revalidate", old(", stale-while-revalidate=600, must-revalidate"),
		get().from(again).status(200).body("first").want("Age in 0..10"))
	s.add("9111 §5.2.1.4", "stale-while-revalidate against no-cache", old(", stale-while-revalidate=600"),
		get("Cache-Control: no-cache").from(again).status(200).body("first").want("Age in 0..10"))
	s.add("9111 §5.2.1.1", "stale-while-revalidate against max-age of the request", old(", stale-while-revalidate=600"),
		get("Cache-Control: max-age=20").from(again).status(200).body("first").want("Age in 0..10"))
	s.add("9111 §4.2.1", "stale-while-revalidate that is no number", old(", stale-while-revalidate=soon"),
		get().from(again).status(200).body("first").want("Age in 0..10"))
	return s.cases
}

func ranges() []Case {
	s := &section{name: "Ranges"}
	const digits = "0123456789"
	kept := func(fields ...string) Step {
		return get().from(Answer{Body: digits, Fields: append([]string{"Cache-Control: max-age=3600", "Content-Type: text/plain"}, fields...)})
	}
	whole := func(fields ...string) Step { return get(fields...).body(digits).want("!Content-Range") }
	part := func(set, span, body string, fields ...string) Step {
		return get(append([]string{"Range: " + set}, fields...)...).status(206).body(body).
			want("Content-Range: bytes "+span+"/10", "Content-Length: "+strconv.Itoa(len(body)))
	}
	const modified = "Sun, 06 Nov 1994 08:49:37 GMT"
	s.add("9110 §14.1.2", "from the front", kept(), part("bytes=0-4", "0-4", "01234"))
	s.add("9110 §14.1.2", "one octet", kept(), part("bytes=3-3", "3-3", "3"))
	s.add("9110 §14.1.2", "open", kept(), part("bytes=7-", "7-9", "789"))
	s.add("9110 §14.1.2", "suffix", kept(), part("bytes=-3", "7-9", "789"))
	s.add("9110 §14.1.2", "suffix longer than the body", kept(), part("bytes=-100", "0-9", digits))
	s.add("9110 §14.1.2", "end behind the body", kept(), part("bytes=5-99", "5-9", "56789"))
	s.add("9110 §14.1.2", "end beyond 2^63", kept(), part("bytes=5-99999999999999999999", "5-9", "56789"))
	s.add("9110 §14.1", "unit in any case", kept(), part("Bytes=0-4", "0-4", "01234"))
	s.add("9110 §15.5.17", "behind the body", kept(), get("Range: bytes=10-").status(416).want("Content-Range: bytes */10"))
	s.add("9110 §14.1.2", "the last no octets", kept(), get("Range: bytes=-0").status(416).want("Content-Range: bytes */10"))
	s.add("9110 §14.2", "another unit", kept(), whole("Range: lines=0-4"))
	s.add("9110 §14.6", "two ranges", kept(), get("Range: bytes=0-1,8-9").status(206).want("Content-Type ~ multipart/byteranges", "!Content-Range"))
	s.add("9110 §14.2", "two ranges of which one is satisfiable", kept(), get("Range: bytes=8-,20-").status(206).want("Content-Range ~ 8-9/10"))
	s.add("9110 §14.2", "only for GET", kept(), Step{Method: "HEAD", Fields: []string{"Range: bytes=0-4"}}.want("Content-Length: 10", "!Content-Range"))
	s.add("9110 §14.2", "only of a 200",
		get().from(Answer{Status: 404, Body: digits, Fields: []string{"Cache-Control: max-age=3600"}}), whole("Range: bytes=0-4").status(404))
	s.add("9110 §15.3.7", "fields of the whole", kept(`ETag: "a"`, "X-A: 1"), part("bytes=0-4", "0-4", "01234").
		want(`Etag: "a"`, "Date", "Cache-Control: max-age=3600", "X-A: 1", "Age in 0..10"))
	s.add("9110 §13.1.5", "If-Range of the strong tag", kept(`ETag: "a"`), part("bytes=0-4", "0-4", "01234", `If-Range: "a"`))
	s.add("9110 §13.1.5", "If-Range of another tag", kept(`ETag: "a"`), whole("Range: bytes=0-4", `If-Range: "b"`))
	s.add("9110 §13.1.5", "If-Range of a weak tag", kept(`ETag: W/"a"`), whole("Range: bytes=0-4", `If-Range: W/"a"`))
	s.add("9110 §13.1.5", "If-Range compares strongly", kept(`ETag: "a"`), whole("Range: bytes=0-4", `If-Range: W/"a"`))
	s.add("9110 §13.1.5", "If-Range of the date", kept("Last-Modified: "+modified), part("bytes=0-4", "0-4", "01234", "If-Range: "+modified))
	s.add("9110 §13.1.5", "If-Range of a later date", kept("Last-Modified: "+modified), whole("Range: bytes=0-4", "If-Range: {now}"))
	s.add("9110 §8.8.2.2", "If-Range of a date that is weak", kept("Last-Modified: {now}", "Date: {now}"), whole("Range: bytes=0-4", "If-Range: {now}"))
	s.add("9110 §13.1.5", "If-Range is no list", kept(`ETag: "a"`), whole("Range: bytes=0-4", `If-Range: "a", "b"`))
	s.add("9110 §13.1.5", "If-Range that is neither", kept(`ETag: "a"`), whole("Range: bytes=0-4", "If-Range: a"))
	s.add("9110 §13.1.5", "If-Range behind the body, another tag", kept(`ETag: "a"`), whole("Range: bytes=20-", `If-Range: "b"`))
	s.add("9110 §13.2.2", "If-None-Match before Range", kept(`ETag: "a"`),
		get("Range: bytes=0-4", `If-None-Match: "a"`).status(304).body(None))
	s.add("9110 §13.2.2", "If-None-Match that fails, and Range", kept(`ETag: "a"`), part("bytes=0-4", "0-4", "01234", `If-None-Match: "b"`))
	s.add("9111 §4.3.3", "of what was validated",
		get().from(Answer{Body: digits, Fields: []string{"Cache-Control: max-age=10", "Date: {now-60}", `ETag: "a"`}}),
		get("Range: bytes=0-4").from(unchanged(`ETag: "a"`).seeing("!Range")).status(206).body("01234"))
	s.add("9110 §14.2", "nothing stored: the origin answers",
		get("Range: bytes=0-4", `If-Range: "a"`).from(Answer{Status: 206, Body: "01234", Fields: []string{
			"Content-Range: bytes 0-4/10", `ETag: "a"`, "Cache-Control: max-age=3600"}}.seeing("Range: bytes=0-4", `If-Range: "a"`)).
			want("Content-Range: bytes 0-4/10"))
	return s.cases
}
