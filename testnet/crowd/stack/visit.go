package stack

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// What a visitor does, as in the model.
const (
	parallel = 6  // files of a site at once
	maxTries = 10 // of one file before he gives up
	tryAgain = 5 * time.Second
)

// visit is the whole visit: all files, a few at a time.
func (v *visitor) visit(ctx context.Context) {
	if pause(ctx, v.at) != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if v.leaves > 0 {
		leaving := time.AfterFunc(v.leaves-v.at, func() { v.leave(cancel) })
		defer leaving.Stop()
	}
	get := v.direct()
	if v.node != nil {
		get = v.node.get
	}
	files := make(chan *object)
	var all sync.WaitGroup
	for range min(parallel, len(v.w.files)) {
		all.Go(func() {
			for f := range files {
				if !v.try(ctx, f, get) {
					cancel()
				}
			}
		})
	}
	for _, f := range v.w.files {
		files <- f
	}
	close(files)
	all.Wait()
	if ctx.Err() == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.done = time.Since(v.w.start)
	}
}

// leave takes the visitor and its node off the net at once.
func (v *visitor) leave(cancel func()) {
	v.mu.Lock()
	v.left = true
	v.mu.Unlock()
	v.sim.unplug()
	cancel()
}

// try gets f, again after errors, and reports whether it was got.
func (v *visitor) try(ctx context.Context, f *object, get func(context.Context, *object) download) bool {
	for range maxTries {
		if ctx.Err() != nil {
			return false
		}
		d := get(ctx, f)
		v.note(d)
		if d.err == nil {
			return true
		}
		if pause(ctx, time.Duration(float64(tryAgain)*(1+.4*v.roll()))) != nil {
			return false
		}
	}
	return false
}

func (v *visitor) roll() float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dice.Float64()
}

// note takes in how an attempt went.
func (v *visitor) note(d download) {
	v.mu.Lock()
	if at := d.firstByte.Sub(v.w.start); !d.firstByte.IsZero() && (v.firstByte < 0 || at < v.firstByte) {
		v.firstByte = at
	}
	v.mu.Unlock()
	v.w.wrong.Add(d.wrong)
	for _, s := range d.receipt.Sources {
		if s.Kind == "origin" {
			v.w.fromOrigin.Add(s.Bytes)
		} else {
			v.w.fromPeers.Add(s.Bytes)
		}
	}
}

// direct gets files without a node.
func (v *visitor) direct() func(context.Context, *object) download {
	client := &http.Client{Transport: &http.Transport{DialContext: v.sim.DialContext, MaxConnsPerHost: parallel}}
	return func(ctx context.Context, f *object) (d download) {
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
		if err != nil {
			return download{err: err}
		}
		resp, err := client.Do(req)
		if err != nil {
			return download{err: err}
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return download{err: fmt.Errorf("stack: status %d", resp.StatusCode)}
		}
		d.read(resp.Body, f)
		return d
	}
}
