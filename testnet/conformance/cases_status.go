package conformance

func statuses() []Case {
	s := &section{name: "Cache-Status"}
	fresh := get().from(says("Cache-Control: max-age=3600", `ETag: "a"`))
	stale := get().from(says("Cache-Control: max-age=10", `ETag: "a"`, "Date: {now-60}"))
	has := func(what ...string) []string {
		var out []string
		for _, w := range what {
			out = append(out, "Cache-Status ~ "+w)
		}
		return out
	}
	s.add("9211 §2", "the name", get().from(says()).want("Cache-Status ~ flashcrowd;"))
	s.add("9211 §2.2", "nothing stored", get().from(says("Cache-Control: max-age=3600")).want(has("fwd=uri-miss", "stored")...).want("Cache-Status !~ hit"))
	s.add("9211 §2.4", "not stored", get().from(says("Cache-Control: no-store")).want(has("fwd=uri-miss")...).want("Cache-Status !~ stored"))
	s.add("9211 §2.1", "hit", fresh, hit().want(has("hit", "ttl=3")...).want("Cache-Status !~ fwd"))
	s.add("9211 §2.1", "hit with 304", fresh, get(`If-None-Match: "a"`).status(304).want(has("hit")...))
	s.add("9211 §2.1", "hit with 206", fresh, get("Range: bytes=0-1").status(206).want(has("hit")...))
	s.add("9211 §2.1", "hit with HEAD", fresh, Step{Method: "HEAD"}.want(has("hit")...))
	s.add("9211 §2.2", "stale", stale, get().from(changed()).want(has("fwd=stale")...).want("Cache-Status !~ hit"))
	s.add("9211 §2.3", "stale and validated", stale,
		get().from(unchanged(`ETag: "a"`)).status(200).want(has("fwd=stale", "fwd-status=304")...).want("Cache-Status !~ hit"))
	s.add("9211 §2.2", "another variant is stored",
		get("X-A: 1").from(says("Cache-Control: max-age=3600", "Vary: X-A")), miss("X-A: 2").want(has("fwd=vary-miss")...))
	s.add("9211 §2.2", "fresh, but the request does not take it", fresh,
		get("Cache-Control: no-cache").from(changed()).want(has("fwd=request")...))
	s.add("9211 §2.2", "fresh, but the request wants it younger",
		get().from(says("Cache-Control: max-age=3600", "Date: {now-60}", `ETag: "a"`)),
		get("Cache-Control: max-age=5").from(unchanged()).status(200).want(has("fwd=request", "fwd-status=304")...))
	s.add("9211 §2.2", "a method that is not cached", Step{Method: "POST", Body: "x"}.from(says()).want(has("fwd=method")...))
	s.add("9211 §2.2", "no-store in the request", get("Cache-Control: no-store").from(says()).want(has("fwd=request")...))
	s.add("9211 §2.5", "ttl of a stale hit is negative", stale,
		Step{Origin: []Answer{{Hangup: true}}}.body("first").want(has("hit", "ttl=-5")...))
	s.add("9211 §2", "that of others stands before it",
		get().from(says("Cache-Status: other; hit; ttl=5")).want("Cache-Status ~ other; hit; ttl=5, flashcrowd;"))
	s.add("9211 §2.2", "an error of the cache itself, forwarded", Step{Origin: []Answer{{Hangup: true}}}.status(502).want(has("flashcrowd;fwd=uri-miss")...))
	s.add("9211 §2.2", "an error of the cache itself, stale", get().from(says("Cache-Control: max-age=10, must-revalidate", "Date: {now-60}")),
		Step{Origin: []Answer{{Hangup: true}}}.status(504).want(has("flashcrowd;fwd=stale")...))
	s.add("9211 §2", "an error of the cache itself, not forwarded", get("Cache-Control: only-if-cached").status(504).
		want("Cache-Status: flashcrowd"))
	s.add("9211 §2.6", "who joined a request",
		Step{Clients: 2, Origin: []Answer{{Body: "0123456789", Fields: []string{"Cache-Control: max-age=3600"}}}}.want(has("flashcrowd;fwd=uri-miss;stored")...))
	return s.cases
}

func targeted() []Case {
	s := &section{name: "Targeted Cache-Control"}
	for _, mode := range []Mode{Forward, Gateway} {
		s.only(mode, "9213 §3", "not ours to obey: "+string(mode),
			get().from(says("Cache-Control: no-store", "CDN-Cache-Control: max-age=3600")).want("CDN-Cache-Control: max-age=3600"), miss())
		s.only(mode, "9213 §3", "not ours to be stopped by: "+string(mode),
			get().from(says("Cache-Control: max-age=3600", "CDN-Cache-Control: no-store")), hit().want("CDN-Cache-Control: no-store"))
	}
	obeyed := func(name string, cdn string, then Step, others ...string) {
		s.only(Mirror, "9213 §2.2", name, get().from(says(append(others, cdn)...)), then)
	}
	obeyed("over no-store", "CDN-Cache-Control: max-age=3600", hit(), "Cache-Control: no-store")
	obeyed("over Expires", "CDN-Cache-Control: max-age=3600", hit(), "Expires: 0")
	obeyed("no-store over max-age", "CDN-Cache-Control: no-store", miss(), "Cache-Control: max-age=3600")
	obeyed("private over max-age", "CDN-Cache-Control: private", miss(), "Cache-Control: max-age=3600")
	obeyed("max-age of 0 over max-age", "CDN-Cache-Control: max-age=0", miss(), "Cache-Control: max-age=3600")
	obeyed("Expires does not count beside it", "CDN-Cache-Control: foo", miss(), "Expires: {now+3600}")
	s.only(Mirror, "9213 §2.1", "a field that cannot be parsed is none",
		get().from(says("Cache-Control: max-age=3600", "CDN-Cache-Control: max-age=0, &")), hit())
	s.only(Mirror, "9213 §2.1", "an empty field is none",
		get().from(says("Cache-Control: max-age=3600", "CDN-Cache-Control:")), hit())
	s.only(Mirror, "9213 §2.1", "parameters mean nothing",
		get().from(says("Cache-Control: no-store", "CDN-Cache-Control: max-age=3600;foo=bar")), hit())
	s.only(Mirror, "9213 §2.1", "several lines are one field",
		get().from(says("Cache-Control: no-store", "CDN-Cache-Control: foo", "CDN-Cache-Control: max-age=3600")), hit())
	s.only(Mirror, "9213 §3", "it goes on to the client",
		get().from(says("CDN-Cache-Control: max-age=3600")).want("CDN-Cache-Control: max-age=3600"))
	return s.cases
}
