package conformance

import (
	"fmt"
	"strconv"
)

// parts are the cases of incomplete responses: stored, combined, completed.
func parts() []Case {
	s := &section{name: "Parts"}
	const digits = "0123456789"
	// sent is what an origin answers with octets from up to, not including, to.
	sent := func(from, to int, fields ...string) Answer {
		fields = append([]string{fmt.Sprintf("Content-Range: bytes %d-%d/10", from, to-1), "Content-Type: text/plain"}, fields...)
		return Answer{Status: 206, Body: digits[from:to], Fields: fields}
	}
	kept := []string{`ETag: "a"`, "Cache-Control: max-age=3600"}
	ask := func(set string, fields ...string) Step {
		return get(append([]string{"Range: bytes=" + set}, fields...)...)
	}
	// part is held, once the disk has it: until then the origin may be asked.
	part := func(set string, from, to int, fields ...string) Step {
		s := ask(set, fields...).status(206).body(digits[from:to]).
			want(fmt.Sprintf("Content-Range: bytes %d-%d/10", from, to-1), "Content-Length: "+strconv.Itoa(to-from))
		s.Again = true
		return s
	}
	first := ask("0-4").from(sent(0, 5, kept...).seeing("Range: bytes=0-4"))
	stored := part("0-4", 0, 5) // what comes after it finds first
	whole := func() Step { return Step{Again: true}.body(digits) }
	s.add("9110 §14.2", "a range costs the origin no more than the range", first)
	s.add("9111 §3.3", "a part answers for itself", first, part("0-4", 0, 5).want("Age in 0..10", "Cache-Control: max-age=3600", `Etag: "a"`))
	s.add("9111 §3.3", "a part of a part", first, part("1-2", 1, 3), part("3-3", 3, 4))
	s.add("9111 §3.3", "a suffix that is held", ask("-5").from(sent(5, 10, kept...)), part("-3", 7, 10), part("8-", 8, 10), part("6-99", 6, 10))
	s.add("9211 §2.1", "a part is a hit", first, part("0-4", 0, 5).want("Cache-Status ~ hit"))
	s.add("9111 §3.4", "two parts are combined, and the origin sends what is missing",
		first, stored, Step{Fields: []string{"Range: bytes=2-7"}, Origin: []Answer{sent(5, 8, kept...).seeing("Range: bytes=5-7", `If-Range: "a"`)}}.
			status(206).body("234567").want("Content-Range: bytes 2-7/10"),
		part("0-7", 0, 8))
	s.add("9111 §3.4", "parts with a gap", first, stored, ask("8-9").from(sent(8, 10, kept...)), part("8-9", 8, 10), part("0-4", 0, 5),
		Step{Fields: []string{"Range: bytes=0-9"}, Origin: []Answer{sent(5, 8, kept...).seeing("Range: bytes=5-7")}}.status(206).body(digits))
	s.add("9111 §3.4", "parts make the whole", first, stored, ask("5-").from(sent(5, 10, kept...)), whole().want("!Content-Range", "Content-Length: 10"))
	s.add("9111 §3.3", "a part does not answer for the whole, which is completed",
		first, stored, Step{Origin: []Answer{sent(5, 10, kept...).seeing("Range: bytes=5-9", `If-Range: "a"`)}}.
			status(200).body(digits).want("!Content-Range", "Content-Length: 10"),
		whole())
	s.add("9111 §3.4", "no completion by another version", first, stored,
		get().from(Answer{Body: "abcdefghij", Fields: []string{`ETag: "b"`, "Cache-Control: max-age=3600"}}.seeing(`If-Range: "a"`)).
			status(200).body("abcdefghij"),
		Step{Again: true}.body("abcdefghij"))
	s.add("9111 §3.4", "parts of two versions are not combined",
		ask("0-4").from(sent(0, 5, `ETag: "b"`, "Cache-Control: max-age=3600", "Date: {now-60}")),
		ask("7-9").from(Answer{Body: digits, Fields: kept}.seeing(`If-Range: "b"`), sent(7, 10, kept...).seeing("!If-Range")),
		get("Cache-Control: no-cache").from(Answer{Body: digits, Fields: kept}).status(200).body(digits))
	weak := []string{`ETag: W/"a"`, "Cache-Control: max-age=3600"}
	s.add("9111 §3.4", "parts without a strong validator are not combined",
		ask("0-4").from(sent(0, 5, weak...)), ask("5-9").from(sent(5, 10, weak...)), get().from(Answer{Body: digits, Fields: weak}.seeing("!Range")))
	s.add("9111 §4.2", "a part that is stale",
		ask("0-4").from(sent(0, 5, `ETag: "a"`, "Cache-Control: max-age=10", "Date: {now-60}")), ask("0-4").from(sent(0, 5, kept...)))
	s.add("9111 §5.2.2.5", "a part with no-store", ask("0-4").from(sent(0, 5, `ETag: "a"`, "Cache-Control: no-store")), ask("0-4").from(sent(0, 5, kept...)))
	s.add("9111 §5.2.1.4", "a part, and no-cache", first, stored, ask("0-4", "Cache-Control: no-cache").from(sent(0, 5, kept...)))
	s.add("9111 §4.1", "a part of another variant",
		ask("0-4", "X-A: 1").from(sent(0, 5, append(kept, "Vary: X-A")...)), part("0-4", 0, 5, "X-A: 1"), ask("0-4", "X-A: 2").from(sent(0, 5, kept...)))
	s.add("9110 §13.1.5", "If-Range of the tag of a part", first, part("0-4", 0, 5, `If-Range: "a"`))
	s.add("9110 §13.1.5", "If-Range of another tag than that of a part", first, stored,
		ask("0-4", `If-Range: "b"`).from(Answer{Body: digits, Fields: kept}.seeing(`If-Range: "b"`)))
	s.add("9111 §5.2.1.7", "only-if-cached, a part that is held", first, part("0-4", 0, 5, "Cache-Control: only-if-cached"))
	s.add("9111 §5.2.1.7", "only-if-cached, a part that is not held", first, stored, ask("0-7", "Cache-Control: only-if-cached").status(504))
	s.add("9111 §4.4", "an unsafe method invalidates parts", first, stored, Step{Method: "PUT", Body: "x"}.from(Answer{Status: 204}), ask("0-4").from(sent(0, 5, kept...)))
	s.add("9111 §3.3", "a part that was cut off",
		Step{Fields: []string{"Range: bytes=0-4"}, Status: 206, Broken: true,
			Origin: []Answer{{Status: 206, Body: "01234", Cut: 2, Fields: append([]string{"Content-Range: bytes 0-4/10"}, kept...)}}},
		part("0-2", 0, 3))
	s.add("9110 §14.4", "a part of a whole of unknown length",
		ask("0-4").from(Answer{Status: 206, Body: "01234", Fields: append([]string{"Content-Range: bytes 0-4/*"}, kept...)}), ask("0-4").from(sent(0, 5, kept...)))
	s.add("9110 §14.6", "several parts go through",
		ask("0-1,8-9").from(Answer{Status: 206, Body: "--x--", Fields: []string{"Content-Type: multipart/byteranges; boundary=x", `ETag: "a"`}}).want("!Content-Range"))
	s.add("9110 §14.2", "an origin that ignores Range", ask("0-4").from(Answer{Body: digits, Fields: kept}))
	return s.cases
}
