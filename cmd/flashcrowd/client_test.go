package main

import (
	"errors"
	"net"
	"testing"
)

// TestNodeThatIsEndingIsNone: one that hangs up before it answers, as a node
// does whose process ends, counts as none, so that get waits for the data
// folder and starts its own.
func TestNodeThatIsEndingIsNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for name, hangUp := range map[string]func(*net.TCPConn){
		"at once": func(*net.TCPConn) {},
		"after the request": func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4<<10))
		},
		"with a reset": func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := l.Accept()
				if err != nil {
					return
				}
				hangUp(c.(*net.TCPConn))
				_ = c.Close()
			}()
			asked, err := (&askFlags{Admin: l.Addr().String()}).find()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := asked.get(t.Context(), "/api/v1/status", nil); !errors.Is(err, errNoNode) {
				t.Errorf("%v, want %v", err, errNoNode)
			}
			<-done
		})
	}
	_ = l.Close()
}

// TestAdminIsNamedAsForUp: what up takes as --admin, those who ask take too.
func TestAdminIsNamedAsForUp(t *testing.T) {
	for text, want := range map[string]string{
		"4229":                  "http://127.0.0.1:4229",
		"127.0.0.1:4229":        "http://127.0.0.1:4229",
		"[::1]:4229":            "http://[::1]:4229",
		"node.test:80":          "http://node.test:80",
		"http://127.0.0.1:4229": "http://127.0.0.1:4229",
	} {
		c, err := (&askFlags{Admin: text}).find()
		if err != nil || c.base.String() != want {
			t.Errorf("--admin %s names %v, %v; want %s", text, c, err, want)
		}
	}
}
