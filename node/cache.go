package node

import (
	"context"
	"errors"

	"github.com/flashcrowd/flashcrowd/fetch/cache"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// objects yields what the cache has, the last used first.
func (n *Node) objects(yield func(admin.Object) bool) {
	for item := range n.store.List() {
		if !yield(admin.Object{
			URL: item.Meta.URL, Bytes: item.Bytes, Length: item.Digest.Length(), Digest: item.Digest.String(),
			Shared: item.Meta.Shared, Pinned: item.Pinned, Used: item.Used.UTC(),
		}) {
			return
		}
	}
}

// verifyCache is admin.Config.Verify.
func (n *Node) verifyCache(ctx context.Context) (admin.Verified, error) {
	v, err := n.store.Verify(ctx)
	return admin.Verified(v), err
}

// settings are what can be changed while the node runs.
func (n *Node) settings() map[string]admin.Setting {
	return map[string]admin.Setting{
		"cache-size": {Form: "write a size such as 5GiB, of " + MinCacheSize.String() + " or more", Set: n.setCacheSize},
	}
}

func (n *Node) setCacheSize(value string) error {
	size, err := ParseSize(value)
	if err != nil {
		return err
	}
	if size < MinCacheSize {
		return ErrUnit
	}
	err = n.store.SetLimit(int64(size))
	if errors.Is(err, cache.ErrPinned) {
		return &admin.Refusal{Text: "what is pinned takes more", Hint: "`flashcrowd cache ls` shows what is pinned: `flashcrowd cache unpin URL` some of it first"}
	}
	return err
}
