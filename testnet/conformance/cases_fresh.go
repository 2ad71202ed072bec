package conformance

import "strconv"

func freshness() []Case {
	s := &section{name: "Freshness"}
	s.reused("9111 §4.2.1", "max-age", "Cache-Control: max-age=3600")
	s.asked("9111 §4.2", "max-age that is over", "Cache-Control: max-age=10", "Date: {now-20}")
	s.reused("9111 §5.2.2.10", "s-maxage before max-age", "Cache-Control: s-maxage=3600, max-age=0")
	s.asked("9111 §5.2.2.10", "s-maxage of 0 before max-age", "Cache-Control: max-age=3600, s-maxage=0")
	s.reused("9111 §5.2.2.1", "max-age before Expires", "Cache-Control: max-age=3600", "Expires: {now-60}")
	s.asked("9111 §5.2.2.1", "max-age of 0 before Expires", "Cache-Control: max-age=0", "Expires: {now+3600}")
	s.reused("9111 §5.3", "Expires", "Expires: {now+3600}")
	s.reused("9110 §5.6.7", "Expires in the form of RFC 850", "Expires: {850 now+3600}")
	s.reused("9110 §5.6.7", "Expires in the form of asctime", "Expires: {asctime now+3600}")
	s.reused("9111 §5.3", "Expires far ahead", "Expires: Fri, 31 Dec 9999 23:59:59 GMT")
	s.asked("9111 §5.3", "Expires that is over", "Expires: {now-10}")
	s.asked("9111 §5.3", "Expires equal to Date", "Expires: {now}")
	for _, bad := range []string{
		"0", "-1", "", "soon", "Fri, 31 Dec 9999 23:59:59 UTC", "Fri, 31 Dec 9999 23:59:59 +0000",
		"Fri, 31 Dec 9999 23:59 GMT", "fri, 31 dec 9999 23:59:59 gmt", "Fri, 31-Dec-9999 23:59:59 GMT",
		"2999-12-31T23:59:59Z", "Fri, 32 Dec 9999 23:59:59 GMT",
	} {
		s.asked("9111 §5.3", "Expires that is no date: "+strconv.Quote(bad), "Expires: "+bad)
	}
	s.asked("9111 §4.2.1", "Expires twice, one of them over", "Expires: {now+3600}", "Expires: {now-3600}")
	s.asked("9111 §4.2.1", "max-age twice, the second 0", "Cache-Control: max-age=3600, max-age=0")
	s.asked("9111 §4.2.1", "max-age twice, the first 0", "Cache-Control: max-age=0", "Cache-Control: max-age=3600")
	s.reused("9110 §5.3", "Cache-Control in several lines", "Cache-Control: public", "Cache-Control: max-age=3600")
	s.reused("9110 §5.6.1", "empty members of the list", "Cache-Control: , ,max-age=3600,")
	s.reused("9111 §1.2.2", "max-age beyond 2^31", "Cache-Control: max-age=99999999999999999999")
	s.reused("9111 §5.2", "max-age as a quoted string", `Cache-Control: max-age="3600"`)
	s.reused("9111 §5.2", "names in any case", "Cache-Control: MaX-aGe=3600")
	s.reused("9111 §5.2.3", "unknown directives", `Cache-Control: foo, max-age=3600, bar=1, baz="x, y"`)
	s.reused("9110 §5.6.4", "a directive inside a quoted string", `Cache-Control: ext="no-store, max-age=0", max-age=3600`)
	s.reused("9110 §5.6.4", "an escaped quote inside a quoted string", `Cache-Control: ext="a\", no-store, \"b", max-age=3600`)
	for _, bad := range []string{"abc", "-1", "1.5", "3600s", "", "0x10", "'3600'"} {
		s.asked("9111 §4.2.1", "max-age that is no number: "+strconv.Quote(bad), "Cache-Control: max-age="+bad)
	}
	s.asked("9111 §4.2.1", "max-age without argument", "Cache-Control: max-age")
	s.asked("9111 §5.2.2", "a longer name than max-age", "Cache-Control: x-max-age=3600")
	s.reused("9111 §4.2.3", "Date ahead of the clock", "Cache-Control: max-age=60", "Date: {now+3600}")
	s.reused("9111 §4.2.1", "Expires is relative to Date", "Date: {now+3600}", "Expires: {now+7200}")
	s.asked("9111 §4.2.1", "Expires before a Date that is ahead", "Date: {now+7200}", "Expires: {now+3600}")
	s.reused("9111 §4.2.2", "heuristic from Last-Modified", "Last-Modified: {now-864000}")
	s.reused("9111 §4.2.2", "heuristic from Last-Modified of RFC 850", "Last-Modified: {850 now-864000}")
	s.asked("9111 §4.2.2", "heuristic, modified a moment ago", "Last-Modified: {now-100}", "Date: {now-50}")
	s.asked("9111 §4.2.2", "heuristic, modified in the future", "Last-Modified: {now+864000}")
	s.asked("9111 §4.2.2", "nothing to guess from", "Content-Type: text/plain")
	s.asked("9111 §4.2.2", "never with an Expires that is no date", "Last-Modified: {now-864000}", "Expires: 0")
	s.reused("9111 §4.2", "a lifetime of some seconds", "Cache-Control: max-age=5")
	s.add("9111 §3", "a body of one octet", get().from(Answer{Body: "x", Fields: []string{"Cache-Control: max-age=60"}}), get().body("x"))
	s.reused("8246 §2", "immutable while fresh", "Cache-Control: max-age=3600, immutable")
	s.asked("8246 §2", "immutable does not last longer", "Cache-Control: max-age=10, immutable", "Date: {now-20}")
	for _, status := range []int{203, 300, 301, 308, 404, 405, 410, 414, 501} {
		s.add("9110 §15.1", "heuristic for status "+strconv.Itoa(status),
			get().from(says("Last-Modified: {now-864000}").with(status)), hit().status(status))
	}
	for _, status := range []int{302, 307, 403, 500, 503} {
		s.add("9110 §15.1", "no heuristic for status "+strconv.Itoa(status),
			get().from(says("Last-Modified: {now-864000}").with(status)), miss())
	}
	s.add("9110 §15.1", "heuristic for status 204",
		get().from(Answer{Status: 204, Fields: []string{"Last-Modified: {now-864000}"}}), get().status(204).body(None))
	for _, status := range []int{201, 299, 302, 303, 307, 400, 403, 418, 499, 500, 502, 503, 504, 599} {
		s.add("9111 §3", "explicit freshness for status "+strconv.Itoa(status),
			get().from(says("Cache-Control: max-age=3600").with(status)), hit().status(status))
	}
	s.add("9111 §3", "Expires for status 503",
		get().from(says("Expires: {now+3600}").with(503)), hit().status(503))
	return s.cases
}

func ages() []Case {
	s := &section{name: "Age"}
	s.asked("9111 §4.2.3", "Age from upstream uses the lifetime up", "Cache-Control: max-age=100", "Age: 200")
	s.add("9111 §4.2.3", "Age from upstream counts on",
		get().from(says("Cache-Control: max-age=3600", "Age: 50")), hit().want("Age in 50..60"))
	s.add("9111 §4.2.3", "Date counts", get().from(says("Cache-Control: max-age=3600", "Date: {now-100}")),
		hit().want("Age in 100..110"))
	s.add("9111 §4.2.3", "the larger of Age and Date counts",
		get().from(says("Cache-Control: max-age=3600", "Date: {now-100}", "Age: 300")), hit().want("Age in 300..310"))
	s.add("9111 §5.1", "Age on a response from the cache", get().from(says("Cache-Control: max-age=3600")),
		hit().want("Age in 0..10"))
	s.add("9111 §4.2.3", "Date ahead of the clock is age 0",
		get().from(says("Cache-Control: max-age=3600", "Date: {now+600}")), hit().want("Age in 0..10"))
	s.add("9111 §5.1", "the first of several values", get().from(says("Cache-Control: max-age=100", "Age: 0, 200")), hit())
	s.add("9111 §5.1", "the first of several lines",
		get().from(says("Cache-Control: max-age=100", "Age: 0", "Age: 200")), hit())
	s.asked("9111 §5.1", "the first of several values uses the lifetime up", "Cache-Control: max-age=100", "Age: 200, 0")
	for _, bad := range []string{"-200", "abc", "200.5", "", "+200", `"200"`} {
		s.add("9111 §5.1", "Age that is no number: "+strconv.Quote(bad),
			get().from(says("Cache-Control: max-age=100", "Age: "+bad)), hit().want("Age in 0..10"))
	}
	s.asked("9111 §1.2.2", "Age beyond 2^63", "Cache-Control: max-age=100", "Age: 99999999999999999999")
	s.add("9111 §5.1", "Age passes through a miss", get().from(says("Cache-Control: max-age=3600", "Age: 50")).want("Age: 50"))
	s.add("9111 §4.2.3", "a 304 begins a new age",
		get().from(says("Cache-Control: max-age=10", "Date: {now-600}", `ETag: "a"`)),
		get().from(unchanged("Cache-Control: max-age=3600", `ETag: "a"`)).status(200).body("first").want("Age in 0..10"),
		hit().want("Age in 0..10"))
	s.add("9110 §6.6.1", "a response without Date gets one",
		get().from(Answer{NoDate: true, Fields: []string{"Cache-Control: max-age=3600"}, Body: "first"}).want("Date"),
		hit().want("Date", "Age in 0..10"))
	return s.cases
}

func storing() []Case {
	s := &section{name: "Storing"}
	s.asked("9111 §5.2.2.5", "no-store", "Cache-Control: no-store")
	s.asked("9111 §5.2.2.5", "no-store with max-age", "Cache-Control: max-age=3600, no-store")
	s.asked("9111 §5.2.2.5", "no-store with an argument", "Cache-Control: max-age=3600, no-store=1")
	s.asked("9111 §5.2.2.5", "no-store in capitals", "Cache-Control: max-age=3600, NO-STORE")
	s.asked("9111 §5.2.2.7", "private", "Cache-Control: max-age=3600, private")
	s.asked("9111 §5.2.2.7", "private with field names", `Cache-Control: max-age=3600, private="X-Own"`)
	s.asked("9111 §5.2.2.4", "no-cache", "Cache-Control: max-age=3600, no-cache")
	s.asked("9111 §5.2.2.4", "no-cache with field names", `Cache-Control: max-age=3600, no-cache="X-Own"`)
	s.reused("9111 §7.3", "Set-Cookie does not forbid it", "Cache-Control: max-age=3600", "Set-Cookie: a=1")
	s.reused("9111 §5.4", "Pragma in a response means nothing", "Cache-Control: max-age=3600", "Pragma: no-cache")
	s.reused("9111 §5.2.2.3", "must-understand over no-store for 200", "Cache-Control: max-age=3600, no-store, must-understand")
	s.add("9111 §5.2.2.3", "must-understand for an unknown status",
		get().from(says("Cache-Control: max-age=3600, must-understand").with(599)), miss())
	s.reused("9111 §5.2.2.9", "public allows a guess for any status", "Cache-Control: public", "Last-Modified: {now-864000}")
	s.add("9111 §3.5", "Authorization forbids it", get("Authorization: Basic dTpw").from(says("Cache-Control: max-age=3600")), miss())
	for _, allows := range []string{"public", "s-maxage=3600", "must-revalidate"} {
		s.add("9111 §3.5", "Authorization with "+allows,
			get("Authorization: Basic dTpw").from(says("Cache-Control: max-age=3600, "+allows)), hit())
	}
	s.add("9111 §3.5", "Authorization may be answered from the cache",
		get().from(says("Cache-Control: max-age=3600")), hit("Authorization: Basic dTpw"))
	s.add("9111 §5.2.1.5", "no-store in the request",
		get("Cache-Control: no-store").from(says("Cache-Control: max-age=3600")), miss())
	s.add("9111 §2", "the query is part of the key",
		get().to("?a=1").from(says("Cache-Control: max-age=3600")), miss().to("?a=2"), hit().to("?a=1"))
	s.add("9111 §3.4", "a body that was cut off by its length",
		Step{Broken: true, Origin: []Answer{{Fields: []string{"Cache-Control: max-age=3600"}, Body: "first", Cut: 2}}}, miss())
	s.add("9111 §3.4", "a body in chunks that was cut off",
		Step{Broken: true, Origin: []Answer{{Fields: []string{"Cache-Control: max-age=3600"}, Body: "first", Chunked: true, Cut: 5}}}, miss())
	s.add("9111 §3", "a body in chunks",
		get().from(Answer{Fields: []string{"Cache-Control: max-age=3600"}, Body: "first", Chunked: true}), hit())
	s.add("9111 §3", "an empty body", get().from(Answer{Fields: []string{"Cache-Control: max-age=3600"}}), get().body(None))
	s.add("9111 §3.1", "all fields are stored",
		get().from(says("Cache-Control: max-age=3600", "X-A: 1", "X-A: 2", `ETag: W/"x"`, "Vary: X-None")),
		hit().want("X-A: 1, 2", "Cache-Control: max-age=3600", `Etag: W/"x"`, "Vary: X-None"))
	return s.cases
}

func directives() []Case {
	s := &section{name: "Directives of the request"}
	fresh := get().from(says("Cache-Control: max-age=3600", `ETag: "a"`, "Date: {now-60}"))
	stale := get().from(says("Cache-Control: max-age=10", `ETag: "a"`, "Date: {now-30}"))
	validated := func(fields ...string) Step {
		return get(fields...).from(unchanged(`ETag: "a"`).seeing(`If-None-Match: "a"`)).status(200).body("first")
	}
	s.add("9111 §5.2.1.4", "no-cache", fresh, validated("Cache-Control: no-cache"))
	s.add("9111 §5.2.1.4", "no-cache among others", fresh, validated("Cache-Control: foo", "Cache-Control: no-cache"))
	s.add("9111 §5.2.1.1", "max-age=0", fresh, validated("Cache-Control: max-age=0"))
	s.add("9111 §5.2.1.1", "max-age below the age", fresh, validated("Cache-Control: max-age=30"))
	s.add("9111 §5.2.1.1", "max-age above the age", fresh, hit("Cache-Control: max-age=120"))
	s.add("9111 §5.2", "max-age as a quoted string", fresh, validated(`Cache-Control: max-age="0"`))
	s.add("9111 §5.2.1.3", "min-fresh that is there", fresh, hit("Cache-Control: min-fresh=3000"))
	s.add("9111 §5.2.1.3", "min-fresh that is not there", fresh, validated("Cache-Control: min-fresh=3580"))
	s.add("9111 §5.2.1.2", "max-stale without limit", stale, hit("Cache-Control: max-stale"))
	s.add("9111 §5.2.1.2", "max-stale within its limit", stale, hit("Cache-Control: max-stale=60"))
	s.add("9111 §5.2.1.2", "max-stale beyond its limit", stale, validated("Cache-Control: max-stale=5"))
	for _, pinned := range []string{"must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"} {
		s.add("9111 §4.2.4", "max-stale against "+pinned,
			get().from(says("Cache-Control: max-age=10, "+pinned, `ETag: "a"`, "Date: {now-30}")), validated("Cache-Control: max-stale"))
	}
	s.add("9111 §5.2.1.7", "only-if-cached, nothing stored", get("Cache-Control: only-if-cached").status(504).want("Proxy-Status ~ error="))
	s.add("9111 §5.2.1.7", "only-if-cached, fresh", fresh, hit("Cache-Control: only-if-cached"))
	s.add("9111 §5.2.1.7", "only-if-cached, stale", stale, get("Cache-Control: only-if-cached").status(504))
	s.add("9111 §5.2.1.7", "only-if-cached and no-store, nothing stored", get("Cache-Control: only-if-cached, no-store").status(504))
	s.add("9111 §5.2.1.7", "only-if-cached with HEAD", Step{Method: "HEAD", Fields: []string{"Cache-Control: only-if-cached"}}.status(504))
	s.add("9111 §5.2.1.7", "only-if-cached with a range", fresh, get("Cache-Control: only-if-cached", "Range: bytes=0-1").status(206).body("fi"))
	s.add("9111 §5.2.1.1", "max-age above the age of what is stale, with max-stale",
		get().from(says("Cache-Control: max-age=10", `ETag: "a"`, "Date: {now-30}")), hit("Cache-Control: max-age=60, max-stale"))
	s.add("9111 §5.2.1.1", "max-age below the age, with max-stale", stale, validated("Cache-Control: max-age=20, max-stale"))
	s.add("9111 §5.2.1.1", "max-age twice, the smaller below the age", fresh, validated("Cache-Control: max-age=120, max-age=30"))
	s.add("9111 §5.2.1.7", "only-if-cached with max-stale", stale, hit("Cache-Control: only-if-cached, max-stale"))
	s.add("9111 §5.4", "Pragma: no-cache", fresh, validated("Pragma: no-cache"))
	s.add("9111 §5.4", "Pragma beside Cache-Control", fresh, hit("Pragma: no-cache", "Cache-Control: max-age=3600"))
	s.add("9111 §5.4", "another Pragma", fresh, hit("Pragma: foo"))
	s.add("9111 §5.2.3", "unknown directives", fresh, hit(`Cache-Control: foo, bar="no-cache, max-age=0"`))
	s.add("8246 §2", "immutable and no-cache",
		get().from(says("Cache-Control: max-age=3600, immutable", `ETag: "a"`)), validated("Cache-Control: no-cache"))
	s.add("9110 §7.6", "directives reach the origin", get("Cache-Control: max-age=0, foo=bar", "Pragma: x").
		from(says().seeing("Cache-Control: max-age=0, foo=bar", "Pragma: x")))
	return s.cases
}
