package conformance

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var dates = regexp.MustCompile(`\{(850 |asctime )?now([+-]\d+)?\}`)

// forms are the three forms of HTTP-date (RFC 9110 section 5.6.7).
var forms = map[string]string{
	"": http.TimeFormat, "850 ": "Monday, 02-Jan-06 15:04:05 GMT", "asctime ": time.ANSIC,
}

// expander fills in what stands in braces.
type expander struct {
	now  time.Time
	base string
	host string
	name string
}

func (x expander) text(s string) string {
	s = strings.NewReplacer("{base}", x.base, "{host}", x.host, "{name}", x.name).Replace(s)
	return dates.ReplaceAllStringFunc(s, func(m string) string {
		part := dates.FindStringSubmatch(m)
		seconds, _ := strconv.Atoi(part[2]) // digits, by the expression
		return x.now.Add(time.Duration(seconds) * time.Second).UTC().Format(forms[part[1]])
	})
}

func (x expander) texts(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = x.text(s)
	}
	return out
}
