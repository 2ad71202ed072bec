package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
)

// swarmKeyCmd makes the key of a private swarm.
type swarmKeyCmd struct {
	File string `arg:"" placeholder:"FILE" help:"Where to write it, for this user's eyes alone; - is standard output."`
	Show bool   `help:"Make nothing: print the fingerprint of the key in FILE, which tells whether two files are the same."`
}

// Help is what stands above the flags.
func (*swarmKeyCmd) Help() string {
	return `Every node of a private swarm has the same key; whoever has it is in. Carry it by a way that nobody reads along:

    flashcrowd swarm-key swarm.key
    scp swarm.key other-machine:
    flashcrowd up --network office --swarm-key swarm.key --bootstrap none
    flashcrowd up --network office --swarm-key swarm.key --bootstrap MULTIADDR    (the others)`
}

// Run makes a key, and never writes over one: that would part a swarm.
func (c *swarmKeyCmd) Run(s *session) error {
	switch {
	case c.Show:
		return c.show(s.out)
	case c.File == "-":
		_, err := s.out.Write(swarm.NewKey())
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &hintError{fmt.Errorf("%s is there already", c.File), "whoever has another key is shut out: remove the file first if that is meant"}
	}
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	_, err = f.Write(swarm.NewKey())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	return c.show(s.talk)
}

func (c *swarmKeyCmd) show(to io.Writer) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	key, err := swarm.ParseKey(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.File, err)
	}
	_, err = fmt.Fprintln(to, key.Fingerprint())
	return err
}
