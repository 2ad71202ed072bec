package node

import "testing"

func TestHosts(t *testing.T) {
	hosts, err := ParseHosts([]string{"www.Example.org", "*.Example.com", "cdn-?.test", "192.0.2.*", "[::1]"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"www.example.org": true, "WWW.EXAMPLE.ORG.": true, "example.org": false, "a.www.example.org": false,
		"a.example.com": true, "a.b.example.com": true, "example.com": false, "badexample.com": false,
		"cdn-1.test": true, "cdn-12.test": false, "192.0.2.7": true, "192.0.20.7": false, "::1": true, "": false,
	} {
		if got := hosts.Has(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
	if Hosts(nil).Has("a.test") {
		t.Error("no pattern matches")
	}
	for _, bad := range []string{"", "https://a.test", "a.test:443", "a b", "a/b", "[a-z].test", "a,b", "ü.test"} {
		if _, err := ParseHosts([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
