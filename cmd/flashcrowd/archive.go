package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

type cacheExportCmd struct {
	File string   `arg:"" help:"Where to write the archive, a tar file; - is the standard output. A file that is there already is left alone."`
	URL  []string `arg:"" optional:"" name:"url" help:"What goes into it. Default: everything that anybody could have got from the same URL; nothing else ever does."`
	askFlags
}

// Run writes the archive. The file has its name once it is whole and will last.
func (c *cacheExportCmd) Run(s *session) error {
	api, token, err := c.authorized()
	if err != nil {
		return err
	}
	var done admin.Exported
	take := func(w io.Writer) (err error) {
		done, err = api.patient().export(s.ctx, token, c.URL, w)
		if err == nil && done.Objects == 0 {
			err = nothingToExport(done)
		}
		return err
	}
	if c.File == "-" {
		err = take(s.out)
	} else {
		err = writeWhole(c.File, take)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.talk, "%d objects of %s exported, %d left out\n", done.Objects, octets(done.Bytes), done.LeftOut)
	return nil
}

func nothingToExport(done admin.Exported) error {
	if done.LeftOut == 0 {
		return &hintError{errors.New("nothing of it is stored"), "`flashcrowd cache ls` lists what is"}
	}
	return &hintError{
		fmt.Errorf("nothing to export: %d objects are not for everybody", done.LeftOut),
		"only what anybody could have got from the same URL is exported; `flashcrowd why URL` says what is missing",
	}
}

// writeWhole makes the file at path of what write writes: all of it, synced, or
// none. It does not replace a file.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return &hintError{fmt.Errorf("write %s: %w", path, fs.ErrExist), "name another file, or remove it first"}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".flashcrowd-export-*")
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder last, where the system can.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// export writes the archive that the node answers with to w.
func (c *client) export(ctx context.Context, token string, urls []string, w io.Writer) (done admin.Exported, err error) {
	res, err := c.change(ctx, "/api/v1/export", token, url.Values{"url": urls}, nil)
	if err != nil {
		return done, err
	}
	defer res.Body.Close()
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); res.StatusCode != http.StatusOK || kind != admin.ArchiveType {
		raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		return done, errors.Join(err, c.judge(res, raw))
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return done, fmt.Errorf("read archive: %w", err)
	}
	done.Objects, err = strconv.Atoi(res.Trailer.Get(admin.ExportedObjects))
	if err == nil {
		done.LeftOut, err = strconv.Atoi(res.Trailer.Get(admin.ExportedLeftOut))
	}
	if err == nil {
		done.Bytes, err = strconv.ParseInt(res.Trailer.Get(admin.ExportedBytes), 10, 64)
	}
	if err != nil {
		return done, fmt.Errorf("read archive: it is not whole: %w", err)
	}
	return done, nil
}

type cacheImportCmd struct {
	File string `arg:"" help:"The archive; - is the standard input."`
	JSON bool   `help:"Print what the API answers, as JSON."`
	askFlags
}

// Run takes in an archive. What is wrong with any of it is a failure.
func (c *cacheImportCmd) Run(s *session) error {
	api, token, err := c.authorized()
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("open archive: %w", err)
		}
		defer f.Close()
		in = f
	}
	res, err := api.patient().change(s.ctx, "/api/v1/import", token, nil, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err = errors.Join(err, api.judge(res, raw)); err != nil {
		return err
	}
	var done admin.Imported
	if err := json.Unmarshal(raw, &done); err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	if c.JSON {
		if _, err := s.out.Write(raw); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return tellImported(s, done)
}

// tellImported says what came of an import, and returns what is wrong with it.
func tellImported(s *session, done admin.Imported) error {
	fmt.Fprintf(s.talk, "%d objects of %s wait until their web sites state their digests; %d were here already\n", done.Objects, octets(done.Bytes), done.Known)
	for _, name := range done.Damaged {
		fmt.Fprintln(s.talk, "damaged:", printable(name))
	}
	switch {
	case done.Stopped != "":
		return &hintError{errors.New(done.Stopped), "what was whole until then is kept; export it again, and compare the copies"}
	case len(done.Damaged) > 0:
		return &hintError{fmt.Errorf("%d damaged, and left out", len(done.Damaged)), "copy the archive again, or export it anew"}
	case done.Refused > 0:
		return &hintError{fmt.Errorf("no room for %d objects", done.Refused), "start the node with a larger --cache-size, and import once more"}
	}
	return nil
}
