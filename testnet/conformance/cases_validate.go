package conformance

func validation() []Case {
	s := &section{name: "Validation"}
	const over = "Cache-Control: max-age=10"
	old := func(fields ...string) Step {
		return get().from(says(append([]string{over, "Date: {now-600}"}, fields...)...))
	}
	again := func(sees ...string) Step {
		return get().from(unchanged("Cache-Control: max-age=10").seeing(sees...)).status(200).body("first")
	}
	const modified = "Sun, 06 Nov 1994 08:49:37 GMT"
	s.add("9111 §4.3.1", "strong entity tag", old(`ETag: "a"`), again(`If-None-Match: "a"`))
	s.add("9111 §4.3.1", "weak entity tag", old(`ETag: W/"a"`), again(`If-None-Match: W/"a"`))
	s.add("9111 §4.3.1", "entity tag without quotes", old("ETag: a"), again("If-None-Match: a"))
	s.add("9111 §4.3.1", "entity tag with a comma", old(`ETag: "a,b"`), again(`If-None-Match: "a,b"`))
	s.add("9111 §4.3.1", "Last-Modified", old("Last-Modified: "+modified), again("If-Modified-Since: "+modified, "!If-None-Match"))
	s.add("9111 §4.3.1", "Last-Modified goes back as it came", old("Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT"),
		again("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"))
	s.add("9111 §4.3.1", "both validators", old(`ETag: "a"`, "Last-Modified: "+modified),
		again(`If-None-Match: "a"`, "If-Modified-Since: "+modified))
	s.add("9111 §4.3.1", "no validator, no condition", old(),
		get().from(changed().seeing("!If-None-Match", "!If-Modified-Since")))
	s.add("9111 §4.3.3", "200 replaces what was stored", old(`ETag: "a"`),
		get().from(changed("Cache-Control: max-age=3600", `ETag: "b"`).seeing(`If-None-Match: "a"`)), get().body("second"))
	s.add("9111 §4.3.3", "a 5xx does not replace what was stored", old(`ETag: "a"`),
		get("Cache-Control: no-cache").from(Answer{Status: 503, Body: "trouble"}), again(`If-None-Match: "a"`))
	s.add("9111 §4.3.3", "404 replaces what was stored", old(`ETag: "a"`),
		get().from(changed("Cache-Control: max-age=3600").with(404)), get().status(404).body("second"))
	s.add("9111 §4.3.4", "no update across strong entity tags", old(`ETag: "a"`),
		get().from(unchanged(`ETag: "b"`), changed(`ETag: "b"`).seeing("!If-None-Match")))
	s.add("9111 §4.3.4", "no update by a strong tag of what has a weak one", old(`ETag: W/"a"`),
		get().from(unchanged(`ETag: "a"`), changed(`ETag: "a"`)))
	s.add("9111 §4.3.4", "no update across weak entity tags", old(`ETag: W/"a"`),
		get().from(unchanged(`ETag: W/"b"`), changed()))
	s.add("9111 §4.3.4", "no update across Last-Modified", old("Last-Modified: "+modified),
		get().from(unchanged("Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT"), changed()))
	s.add("9111 §4.3.4", "update without any validator in the 304", old(`ETag: "a"`), again(`If-None-Match: "a"`))
	s.add("9111 §4.3.2", "a client's condition is not the cache's own", old(`ETag: "a"`),
		get(`If-None-Match: "b"`).from(changed("Cache-Control: max-age=3600", `ETag: "b"`).seeing(`If-None-Match ~ "a"`)).
			status(304).body(None), get().body("second"))
	s.add("9111 §4.3.2", "a client's condition holds after validation", old(`ETag: "a"`),
		get(`If-None-Match: "a"`).from(unchanged(`ETag: "a"`)).status(304).body(None))
	s.add("9111 §4.3.2", "a client's condition fails after validation", old(`ETag: "a"`),
		get(`If-None-Match: "x"`).from(unchanged(`ETag: "a"`)).status(200).body("first"))
	s.add("9111 §4.3.2", "a condition with nothing stored goes to the origin",
		get(`If-None-Match: "a"`).from(unchanged(`ETag: "a"`).seeing(`If-None-Match: "a"`)).status(304).body(None))
	s.add("9111 §4.3.2", "a 200 to a client's condition is stored",
		get(`If-None-Match: "a"`).from(says("Cache-Control: max-age=3600", `ETag: "b"`)), Step{Again: true}.body("first"))
	s.add("9111 §4.3.2", "a 304 to a client's condition is not stored",
		get(`If-None-Match: "a"`).from(unchanged(`ETag: "a"`, "Cache-Control: max-age=3600")).status(304).body(None), miss())
	s.add("8246 §2", "a condition on what is immutable",
		get().from(says("Cache-Control: max-age=3600, immutable", `ETag: "a"`)), get(`If-None-Match: "a"`).status(304).body(None))
	return s.cases
}

func updating() []Case {
	s := &section{name: "Updating"}
	old := func(fields ...string) Step {
		return get().from(says(append([]string{"Cache-Control: max-age=10", "Date: {now-600}", `ETag: "a"`}, fields...)...))
	}
	by := func(fields ...string) Step {
		return get().from(unchanged(append([]string{`ETag: "a"`, "Cache-Control: max-age=3600"}, fields...)...)).status(200).body("first")
	}
	s.add("9111 §3.2", "Cache-Control", old(), by(), hit().want("Cache-Control: max-age=3600"))
	s.add("9111 §3.2", "Expires", get().from(says("Expires: {now-10}", `ETag: "a"`)),
		get().from(unchanged("Expires: {now+3600}", `ETag: "a"`)).status(200).body("first"), hit())
	s.add("9111 §3.2", "an unknown field", old("X-A: 1"), by("X-A: 2").want("X-A: 2"), hit().want("X-A: 2"))
	s.add("9111 §3.2", "a new field", old(), by("X-B: 1").want("X-B: 1"), hit().want("X-B: 1"))
	s.add("9111 §3.2", "a field in several lines replaces all", old("X-A: 1", "X-A: 2"), by("X-A: 3", "X-A: 4"), hit().want("X-A: 3, 4"))
	s.add("9111 §3.2", "fields the 304 does not have stay", old("X-A: 1", "Content-Type: text/plain"), by(),
		hit().want("X-A: 1", "Content-Type: text/plain"))
	s.add("9111 §3.2", "not Content-Length", old(), by("Content-Length: 4711"), hit().want("Content-Length: 5"))
	s.add("9111 §3.2", "not Content-Encoding", old(), by("Content-Encoding: gzip"), hit().want("!Content-Encoding"))
	s.add("9111 §3.2", "not Content-Range", old(), by("Content-Range: bytes 0-1/5"), hit().want("!Content-Range"))
	s.add("9111 §3.1", "not what Connection lists", old(), by("Connection: X-Hop", "X-Hop: 1").want("!X-Hop"), hit().want("!X-Hop"))
	s.add("9111 §3.2", "Date", old(), by(), hit().want("Age in 0..10"))
	s.add("9111 §5.2.2.5", "a 304 that says no-store ends the storing",
		old(), get().from(unchanged(`ETag: "a"`, "Cache-Control: no-store")).status(200).body("first"), miss())
	head := func(fields ...string) Step {
		return Step{Method: "HEAD", Fields: []string{"Cache-Control: no-cache"}}.
			from(Answer{Fields: append([]string{"Content-Length: 5"}, fields...)})
	}
	s.add("9111 §4.3.5", "HEAD with the same validator freshens", old(), head(`ETag: "a"`, "Cache-Control: max-age=3600", "X-A: 2"),
		hit().want("X-A: 2"))
	s.add("9111 §4.3.5", "HEAD with another validator makes stale",
		get().from(says("Cache-Control: max-age=3600", `ETag: "a"`)), head(`ETag: "b"`, "Cache-Control: max-age=3600"), miss())
	s.add("9111 §4.3.5", "HEAD with another length makes stale",
		get().from(says("Cache-Control: max-age=3600", `ETag: "a"`)),
		Step{Method: "HEAD", Fields: []string{"Cache-Control: no-cache"}}.
			from(Answer{Fields: []string{"Content-Length: 6", `ETag: "a"`}}), miss())
	s.add("9111 §4.3.5", "HEAD with an error changes nothing",
		get().from(says("Cache-Control: max-age=3600", `ETag: "a"`)),
		Step{Method: "HEAD", Fields: []string{"Cache-Control: no-cache"}}.from(Answer{Status: 500, Fields: []string{"Content-Length: 9"}}), hit())
	s.add("9110 §9.3.2", "HEAD is answered from a stored GET",
		get().from(says("Cache-Control: max-age=3600", "X-A: 1")),
		Step{Method: "HEAD"}.want("Content-Length: 5", "X-A: 1", "Age in 0..10").body(None))
	s.add("9110 §9.3.2", "the answer to HEAD is none to GET",
		Step{Method: "HEAD"}.from(Answer{Fields: []string{"Cache-Control: max-age=3600", "Content-Length: 5"}}), miss())
	return s.cases
}

func conditions() []Case {
	s := &section{name: "Conditions answered from the cache"}
	const modified = "Sun, 06 Nov 1994 08:49:37 GMT"
	kept := func(fields ...string) Step {
		return get().from(says(append([]string{"Cache-Control: max-age=3600"}, fields...)...))
	}
	same := func(fields ...string) Step { return get(fields...).status(304).body(None) }
	a, weak, at := kept(`ETag: "a"`), kept(`ETag: W/"a"`), kept("Last-Modified: "+modified)
	s.add("9110 §13.1.2", "If-None-Match", a, same(`If-None-Match: "a"`))
	s.add("9110 §13.1.2", "If-None-Match of another tag", a, hit(`If-None-Match: "b"`))
	s.add("9110 §13.1.2", "If-None-Match with a list", a, same(`If-None-Match: "b", "a"`))
	s.add("9110 §13.1.2", "If-None-Match with a list, none of it", a, hit(`If-None-Match: "b", "c"`))
	s.add("9110 §5.3", "If-None-Match in several lines", a, same(`If-None-Match: "b"`, `If-None-Match: "a"`))
	s.add("9110 §13.1.2", "If-None-Match without spaces", a, same(`If-None-Match: "b","a"`))
	s.add("9110 §8.8.3", "If-None-Match with a comma inside a tag", kept(`ETag: "x,y"`), same(`If-None-Match: "a", "x,y"`))
	s.add("9110 §8.8.3", "If-None-Match of a part of a tag", kept(`ETag: "x"`), hit(`If-None-Match: "x,y"`))
	s.add("9110 §13.1.2", "If-None-Match: *", a, same("If-None-Match: *"))
	s.add("9110 §13.1.2", "If-None-Match: * without a tag", kept(), same("If-None-Match: *"))
	s.add("9110 §8.8.3.2", "If-None-Match compares weakly, weak here", weak, same(`If-None-Match: "a"`))
	s.add("9110 §8.8.3.2", "If-None-Match compares weakly, weak there", a, same(`If-None-Match: W/"a"`))
	s.add("9110 §8.8.3", "the mark of weakness is a capital", a, hit(`If-None-Match: w/"a"`))
	s.add("9110 §13.1.3", "If-Modified-Since, the same date", at, same("If-Modified-Since: "+modified))
	s.add("9110 §13.1.3", "If-Modified-Since, a later date", at, same("If-Modified-Since: {now}"))
	s.add("9110 §13.1.3", "If-Modified-Since, an earlier date", at, hit("If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT"))
	s.add("9110 §5.6.7", "If-Modified-Since in the form of RFC 850", at, same("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"))
	s.add("9110 §5.6.7", "If-Modified-Since in the form of asctime", at, same("If-Modified-Since: Sun Nov  6 08:49:37 1994"))
	for _, bad := range []string{"yesterday", "0", "Sunday, 06-Nov-2094 08:49:37 GMT", "Sunday, 06-Nov-34 08:49:37 PST"} {
		s.add("9110 §13.1.3", "If-Modified-Since that is no date: "+bad, at, hit("If-Modified-Since: "+bad))
	}
	s.add("9110 §13.1.3", "If-Modified-Since twice is none", at, hit("If-Modified-Since: {now}", "If-Modified-Since: {now}"))
	s.add("9110 §13.1.3", "If-None-Match before If-Modified-Since", kept(`ETag: "a"`, "Last-Modified: "+modified),
		hit(`If-None-Match: "b"`, "If-Modified-Since: "+modified), same(`If-None-Match: "a"`, "If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT"))
	s.add("9111 §4.3.2", "If-Modified-Since against Date", kept("Date: {now-60}"), same("If-Modified-Since: {now-30}").want("!Last-Modified"))
	s.add("9111 §4.3.2", "If-Modified-Since before Date", kept("Date: {now-60}"), hit("If-Modified-Since: {now-90}"))
	s.add("9110 §15.4.5", "what a 304 says",
		kept(`ETag: "a"`, "Vary: X-None", "Expires: {now+60}", "Content-Location: /x", "Date: {now-5}"),
		same(`If-None-Match: "a"`).want(`Etag: "a"`, "Vary: X-None", "Expires", "Cache-Control: max-age=3600", "Content-Location", "Date",
			"Age in 5..15"))
	s.add("9110 §13.2.1", "conditions do not matter for a 404",
		get().from(says("Cache-Control: max-age=3600", `ETag: "a"`).with(404)), hit(`If-None-Match: "a"`).status(404))
	s.add("9110 §13.1.2", "If-None-Match with HEAD", a, Step{Method: "HEAD", Fields: []string{`If-None-Match: "a"`}}.status(304).body(None))
	s.add("9110 §13.1.1", "If-Match that holds", a, hit(`If-Match: "b", "a"`))
	s.add("9110 §13.1.4", "If-Unmodified-Since that holds", at, hit("If-Unmodified-Since: "+modified))
	return s.cases
}
