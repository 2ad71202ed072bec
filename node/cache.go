package node

import "github.com/flashcrowd/flashcrowd/node/admin"

// objects yields what the cache has, the last used first.
func (n *Node) objects(yield func(admin.Object) bool) {
	for item := range n.store.List() {
		if !yield(admin.Object{
			URL: item.Meta.URL, Bytes: item.Bytes, Length: item.Digest.Length(), Digest: item.Digest.String(),
			Shared: item.Meta.Shared, Used: item.Used.UTC(),
		}) {
			return
		}
	}
}
