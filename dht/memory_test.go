package dht_test

import (
	"fmt"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
)

func TestMemoryConformance(t *testing.T) {
	dhttest.Conformance(t, func(_ *testing.T, n int) []dhttest.Node {
		var net dht.Memory
		var nodes []dhttest.Node
		for i := range n {
			self := dht.Member{ID: fmt.Sprint("node", i), Addrs: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", i+1)}}
			nodes = append(nodes, dhttest.Node{ID: self.ID, Router: net.Router(self)})
		}
		return nodes
	})
}
