package node

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch/cache"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// objects yields what the cache has, the last used first.
func (n *Node) objects(yield func(admin.Object) bool) {
	for item := range n.store.List() {
		if !yield(admin.Object{
			URL: item.Meta.URL, Bytes: item.Bytes, Length: item.Digest.Length(), Digest: item.Digest.String(),
			Shared: item.Meta.Shared, Pinned: item.Pinned, Waiting: item.Waiting, Used: item.Used.UTC(),
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

// exportCache is admin.Config.Export.
func (n *Node) exportCache(ctx context.Context, w io.Writer, urls []string) (admin.Exported, error) {
	done, err := n.store.Export(ctx, w, cache.Export{URLs: urls, Takes: n.sharing().Exports})
	return admin.Exported(done), err
}

// importCache is admin.Config.Import.
func (n *Node) importCache(ctx context.Context, r io.Reader) (admin.Imported, error) {
	got, err := n.store.Import(ctx, r)
	done := admin.Imported{
		Objects: got.Objects, Bytes: got.Bytes, Known: got.Known, Refused: got.Refused, Damaged: got.Damaged,
	}
	if errors.Is(err, cache.ErrArchive) {
		done.Stopped, err = strings.TrimPrefix(err.Error(), "cache: import: cache: "), nil
	}
	return done, err
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
