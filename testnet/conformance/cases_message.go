package conformance

import (
	"strconv"
	"strings"
)

func messages() []Case {
	s := &section{name: "Messages"}
	for _, hop := range []string{"Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: gzip", "Proxy-Authorization: Basic dTpw"} {
		name, _, _ := strings.Cut(hop, ":")
		s.add("9110 §7.6.1", name+" of the request", get(hop).from(says().seeing("!"+name)))
	}
	s.only(Gateway, "9110 §7.6.1", "Upgrade of the request", get("Connection: upgrade", "Upgrade: foo").from(says().seeing("!Upgrade", "Connection !~ upgrade")))
	for _, mode := range []Mode{Forward, Mirror} {
		s.only(mode, "9110 §7.8", "an upgrade that the origin ignores: "+string(mode), get("Connection: upgrade", "Upgrade: foo").from(says()).want("!Upgrade"))
	}
	s.add("9110 §7.6.1", "what Connection of the request lists",
		get("Connection: X-Hop, x-two", "X-Hop: 1", "X-Two: 2", "X-End: 3").from(says().seeing("!X-Hop", "!X-Two", "X-End: 3", "Connection !~ X-Hop")))
	s.add("9110 §7.6.1", "what Connection of the request lists in several lines",
		get("Connection: X-Hop", "Connection: X-Two", "X-Hop: 1", "X-Two: 2").from(says().seeing("!X-Hop", "!X-Two")))
	for _, hop := range []string{"Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Upgrade: foo", "Proxy-Authenticate: Basic", "TE: x"} {
		name, _, _ := strings.Cut(hop, ":")
		s.add("9110 §7.6.1", name+" of the response", get().from(says("Cache-Control: max-age=3600", hop)).want("!"+name), hit().want("!"+name))
	}
	s.add("9110 §7.6.1", "what Connection of the response lists",
		get().from(says("Cache-Control: max-age=3600", "Connection: X-Hop", "Connection: x-two", "X-Hop: 1", "X-Two: 2", "X-End: 3")).
			want("!X-Hop", "!X-Two", "X-End: 3"),
		hit().want("!X-Hop", "!X-Two", "X-End: 3"))
	s.add("9110 §7.6.3", "Via of the request", get("Via: 1.0 other").from(says().seeing("Via: 1.0 other, 1.1 {name}")))
	s.add("9110 §7.6.3", "Via of the response", get().from(says("Via: 1.1 other")).want("Via: 1.1 other, 1.1 {name}"))
	s.add("9110 §7.6.3", "a loop", get("Via: 1.1 {name}, 1.1 other").status(502).want("Proxy-Status ~ proxy_loop_detected"))
	s.add("9110 §5.1", "unknown fields of the request", get("X-A: 1", "X-A:  2", "X-B: a, b").from(says().seeing("X-A: 1, 2", "X-B: a, b")))
	s.add("9110 §5.1", "unknown fields of the response", get().from(says("X-A: 1", "X-A: 2", "X-B: a,b")).want("X-A: 1, 2", "X-B: a,b"))
	s.add("9111 §5.2", "Cache-Control as it came",
		get().from(says(`Cache-Control: max-age=3600,  foo="bar" , X`)).want(`Cache-Control: max-age=3600,  foo="bar" , X`))
	s.add("9110 §7.7", "fields of caching as they came",
		get().from(says("Expires: 0", "Vary: x-a,X-B", "ETag: odd", "Last-Modified: once", "Pragma: x")).
			want("Expires: 0", "Vary: x-a,X-B", "Etag: odd", "Last-Modified: once", "Pragma: x"))
	s.add("9110 §7.7", "no Content-Type is made up", get().from(Answer{Body: "<html>"}).want("!Content-Type"))
	s.add("9112 §6.1", "a body in chunks", get().from(Answer{Body: "first", Chunked: true}).want("!Content-Length"))
	s.add("9112 §7.1.2", "trailer fields are no header fields",
		get().from(Answer{Body: "first", Chunked: true, Trailer: []string{"X-Sum: 1"}, Fields: []string{"Cache-Control: max-age=3600"}}).want("!X-Sum"),
		hit().want("!X-Sum"))
	s.add("9110 §6.5", "trailer fields of what is not stored",
		get().from(Answer{Body: "first", Chunked: true, Trailer: []string{"X-Sum: 1"}, Fields: []string{"Cache-Control: no-store", "Trailer: X-Sum"}}).
			want("Trailer-X-Sum: 1"))
	s.add("9110 §15", "an unknown status", get().from(Answer{Status: 299, Body: "first"}))
	s.add("9110 §8.6", "204 has no length", get().from(Answer{Status: 204}).body(None).want("!Content-Length"))
	return s.cases
}

func interims() []Case {
	s := &section{name: "Interim responses"}
	hint := func(fields ...string) string { return "HTTP/1.1 103 Early Hints\n" + strings.Join(fields, "\n") }
	kept := []string{"Cache-Control: max-age=3600"}
	early := Answer{Before: []string{hint("Link: </x>; rel=preload", "X-Early: 1")}, Body: "first", Fields: kept}
	held := early
	held.Held = true
	s.add("9110 §15.2", "103 goes on to the client", get().from(early).
		want("Interim: 103", "Interim-Link: </x>; rel=preload", "Interim-X-Early: 1"))
	s.add("9110 §15.2", "103 goes on at once", get().from(held).want("Interim: 103"))
	s.add("8297 §2", "fields of a 103 are none of the response", get().from(early).want("!Link", "!X-Early"))
	s.add("9111 §3", "103 is not stored", get().from(early), hit().want("!Interim", "!Link", "!X-Early"))
	two := early
	two.Before = []string{hint("Link: </x>"), hint("Link: </y>")}
	s.add("9110 §15.2", "two of them", get().from(two).want("Interim: 103, 103", "Interim-Link: </x>, </y>"))
	other := early
	other.Before = []string{"HTTP/1.1 102 Processing", "HTTP/1.1 199 Whatever\nX-A: 1"}
	s.add("9110 §15.2", "102 and unknown ones", get().from(other).want("Interim: 102, 199", "Interim-X-A: 1"))
	hop := early
	hop.Before = []string{hint("Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Link: </x>")}
	s.add("9110 §7.6.1", "what Connection of a 103 lists", get().from(hop).want("Interim-Link: </x>", "!Interim-X-Hop", "!Interim-Keep-Alive"))
	s.add("9110 §7.6.3", "Via of a 103", get().from(early).want("Interim-Via: 1.1 {name}"))
	s.add("9110 §15.2", "none to a client of HTTP/1.0", Step{Proto: "HTTP/1.0"}.from(early).want("!Interim"))
	s.add("9110 §15.2", "103 before a 404", get().from(early.with(404)).want("Interim: 103"))
	s.add("9110 §15.2", "103 before what is not stored",
		get().from(Answer{Before: early.Before, Body: "first", Fields: []string{"Cache-Control: no-store"}}).want("Interim: 103"), miss())
	s.add("9110 §15.2", "103 before a 304",
		get().from(says("Cache-Control: max-age=10", "Date: {now-60}", `ETag: "a"`)),
		get().from(Answer{Status: 304, Before: early.Before, Fields: []string{`ETag: "a"`}}).status(200).body("first").want("Interim: 103", "!Link"))
	s.add("9110 §15.2", "103 before the answer to POST",
		Step{Method: "POST", Body: "hello"}.from(Answer{Before: early.Before, Body: "first", SeesBody: "hello"}).want("Interim: 103"))
	s.add("9110 §15.2", "100 that nobody asked for", get().from(Answer{Before: []string{"HTTP/1.1 100 Continue"}, Body: "first"}).want("!Interim"))
	post := Step{Method: "POST", Body: "hello", Fields: []string{"Expect: 100-continue"}}
	waits := post
	waits.Waits = true
	taken := Answer{Body: "first", SeesBody: "hello", Sees: []string{"Expect: 100-continue"}}
	s.add("9110 §10.1.1", "100-continue", waits.from(taken).want("Interim: 100"))
	s.add("9110 §10.1.1", "100-continue by a client that does not wait", post.from(Answer{Body: "first", SeesBody: "hello"}))
	again, next := waits, get()
	again.Keep, next.Keep = true, true
	s.add("9110 §10.1.1", "100-continue on a connection that was used", get().from(says()), again.from(taken).want("Interim: 100"), next.from(changed()))
	s.add("9110 §10.1.1", "100-continue twice on one connection", waits.from(taken).want("Interim: 100"), again.from(taken).want("Interim: 100"))
	s.add("9110 §10.1.1", "100-continue that the origin declines",
		waits.from(Answer{Status: 417, Body: "no", Declines: true}).want("!Interim"), get().from(says()))
	s.add("9110 §10.1.1", "100-continue that the origin declines on a connection that was used",
		get().from(says()), again.from(Answer{Status: 403, Body: "no", Declines: true}).want("!Interim"), get().from(says()))
	mute := taken
	mute.Mute = true
	s.add("9110 §10.1.1", "100-continue to an origin that never says so", waits.from(mute).want("Interim: 100"))
	s.add("9110 §10.1.1", "100-continue and 103",
		waits.from(Answer{Before: early.Before, Body: "first", SeesBody: "hello"}).want("Interim: 100, 103"))
	s.add("9110 §10.1.1", "100-continue without a body", get("Expect: 100-continue").from(says()).want("!Interim"))
	return s.cases
}

func sharing() []Case {
	s := &section{name: "Sharing a request"}
	long := strings.Repeat("0123456789", 20000)
	shared := Answer{Body: long, Fields: []string{"Cache-Control: max-age=3600"}}
	s.add("9111 §4", "visible before the last octet", Step{Clients: 2, Origin: []Answer{shared}}.body(long), get().body(long))
	s.add("9111 §4", "one request for many clients", Step{Clients: 8, Origin: []Answer{shared}}.body(long))
	s.add("9111 §4", "one request for many clients, in chunks",
		Step{Clients: 4, Origin: []Answer{{Body: long, Chunked: true, Fields: shared.Fields}}}.body(long))
	s.add("9211 §2.6", "who joined says collapsed", Step{Clients: 2, Origin: []Answer{shared}}.body(long).want("Cache-Status ~ flashcrowd"))
	own := func(fields ...string) Answer { return Answer{Body: long, Fields: fields} }
	for _, control := range []string{"no-store", "private", "max-age=0", "no-cache"} {
		a := own("Cache-Control: " + control)
		s.add("9111 §4", "nobody shares a response with "+control, Step{Clients: 3, Origin: []Answer{a, a, a}}.body(long))
	}
	star := own("Cache-Control: max-age=3600", "Vary: *")
	s.add("9111 §4.1", "nobody shares a response with Vary: *", Step{Clients: 2, Origin: []Answer{star, star}}.body(long))
	return s.cases
}

func methods() []Case {
	s := &section{name: "Methods"}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "QUERY", "PROPFIND", "FOO"} {
		s.add("9110 §9", method+" with a body",
			Step{Method: method, Body: "hello"}.from(Answer{Body: "first", SeesBody: "hello", Sees: []string{"Content-Length: 5"}}))
	}
	s.add("9112 §7.1", "POST in chunks", Step{Method: "POST", Fields: []string{"Transfer-Encoding: chunked"}, Body: "5\r\nhello\r\n0\r\n\r\n"}.
		from(Answer{Body: "first", SeesBody: "hello"}))
	s.add("9110 §9.3.1", "GET with a body", Step{Body: "hello"}.from(Answer{Body: "first", SeesBody: "hello"}))
	s.add("9110 §9.3.2", "HEAD", Step{Method: "HEAD"}.from(Answer{Fields: []string{"Content-Length: 5", "X-A: 1"}}).
		want("Content-Length: 5", "X-A: 1").body(None))
	s.add("9110 §9.3.7", "OPTIONS", Step{Method: "OPTIONS"}.from(Answer{Fields: []string{"Allow: GET, FOO"}}).want("Allow: GET, FOO"))
	s.add("9110 §7.6.2", "OPTIONS that goes no further", Step{Method: "OPTIONS", Fields: []string{"Max-Forwards: 0"}}.status(204))
	s.add("9110 §7.6.2", "OPTIONS that goes one further", Step{Method: "OPTIONS", Fields: []string{"Max-Forwards: 2"}}.
		from(Answer{Sees: []string{"Max-Forwards: 1"}}))
	kept := get().from(says("Cache-Control: max-age=3600"))
	s.add("9111 §3", "POST is not answered from the cache", kept,
		Step{Method: "POST", Body: "x"}.from(changed("Cache-Control: max-age=3600").with(500)), hit())
	s.add("9111 §3", "the answer to POST is none to GET",
		Step{Method: "POST", Body: "x"}.from(says("Cache-Control: max-age=3600")), miss())
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "FOO"} {
		s.add("9111 §4.4", method+" invalidates", kept, Step{Method: method, Body: "x"}.from(Answer{Status: 204}), miss())
	}
	for _, status := range []int{200, 201, 303} {
		s.add("9111 §4.4", "POST invalidates with "+strconv.Itoa(status), kept, Step{Method: "POST", Body: "x"}.from(Answer{Status: status}), miss())
	}
	for _, status := range []int{400, 404, 500} {
		s.add("9111 §4.4", "POST does not invalidate with "+strconv.Itoa(status), kept, Step{Method: "POST", Body: "x"}.from(Answer{Status: status}), hit())
	}
	s.add("9111 §4.4", "OPTIONS does not invalidate", kept, Step{Method: "OPTIONS"}.from(Answer{}), hit())
	s.add("9111 §4.4", "HEAD does not invalidate", get().from(says("Cache-Control: max-age=3600")),
		Step{Method: "HEAD", Fields: []string{"Cache-Control: no-cache"}}.from(Answer{Fields: []string{"Content-Length: 5"}}), hit())
	for _, name := range []string{"Location", "Content-Location"} {
		other := kept.to("/other")
		for _, value := range []string{"{base}/other", "other"} {
			s.add("9111 §4.4", "invalidation by "+name+": "+value, other,
				Step{Method: "POST", Body: "x", Path: "/form"}.from(Answer{Status: 201, Fields: []string{name + ": " + value}}), miss().to("/other"))
		}
		s.add("9111 §4.4", "no invalidation by "+name+" of an error", other,
			Step{Method: "POST", Body: "x", Path: "/form"}.from(Answer{Status: 500, Fields: []string{name + ": {base}/other"}}), hit().to("/other"))
		s.add("9111 §4.4", "no invalidation by "+name+" of a safe method", other,
			get().to("/form").from(says(name+": {base}/other")), hit().to("/other"))
	}
	s.add("9111 §4.4", "no invalidation by Location of another URL", kept.to("/other"),
		Step{Method: "POST", Body: "x", Path: "/form"}.from(Answer{Status: 201, Fields: []string{"Location: {base}/another"}}), hit().to("/other"))
	for _, name := range []string{"Location", "Content-Location"} {
		s.only(Forward, "9111 §4.4", "no invalidation by "+name+" of another host",
			get().to("/other").from(says("Cache-Control: max-age=3600")),
			Step{Method: "POST", Body: "x", Path: "/form"}.from(Answer{Status: 201, Fields: []string{name + ": http://elsewhere.example/other"}}),
			hit().to("/other"))
	}
	s.add("9111 §4.4", "what was invalidated is validated",
		get().from(says("Cache-Control: max-age=3600", `ETag: "a"`)), Step{Method: "PUT", Body: "x"}.from(Answer{Status: 204}),
		get().from(unchanged(`ETag: "a"`).seeing(`If-None-Match: "a"`)).status(200).body("first"), hit())
	return s.cases
}
