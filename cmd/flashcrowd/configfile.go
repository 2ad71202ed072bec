package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds what is read of --config.
const maxConfigFile = 1 << 20

// configFile holds the values of a YAML file by flag name, each a string, or
// []any of strings for a list. As a kong.Resolver it fills flags that neither
// the command line nor the environment sets.
type configFile map[string]any

// readConfigFile reads the file at path. Its keys are names of flags; repeatable
// says for each flag that may stand in it whether it takes a list.
func readConfigFile(path string, repeatable map[string]bool) (configFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err == nil && len(raw) > maxConfigFile {
		err = errors.New("larger than 1 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("--config: read %s: %w", path, err)
	}
	values, err := parseConfigFile(raw, repeatable)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	return values, nil
}

// parseConfigFile takes scalars by their text, so that `swarm: off` and
// `network: 1e3` are the words that were written.
func parseConfigFile(raw []byte, repeatable map[string]bool) (configFile, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return configFile{}, nil
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return configFile{}, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: not a list of KEY: VALUE", top.Line)
	}
	values := configFile{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		list, known := repeatable[key.Value]
		if _, twice := values[key.Value]; twice || !known || key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s key %q", key.Line, map[bool]string{true: "repeated", false: "unknown"}[twice], key.Value)
		}
		v, err := configValue(value, list)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", value.Line, key.Value, err)
		}
		values[key.Value] = v
	}
	return values, nil
}

func configValue(value *yaml.Node, list bool) (any, error) {
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag != "!!null":
		if list {
			return []any{value.Value}, nil
		}
		return value.Value, nil
	case value.Kind == yaml.SequenceNode && list:
		items := []any{}
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, errors.New("not a list of plain values")
			}
			items = append(items, item.Value)
		}
		return items, nil
	case list:
		return nil, errors.New("not a value or a list of values")
	}
	return nil, errors.New("not a plain value")
}

// Validate does nothing: keys are checked when the file is read.
func (c configFile) Validate(*kong.Application) error { return nil }

// Resolve returns the value for flag, or nil when there is none or the
// environment has one, which wins.
func (c configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if os.Getenv(name) != "" {
			return nil, nil
		}
	}
	value, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	return value, nil
}

// BeforeResolve puts the file below flags and environment. Its keys are the
// flags of up, whichever command reads it.
func (*configFlag) BeforeResolve(parsed *kong.Context) error {
	repeatable := make(map[string]bool)
	for _, command := range parsed.Model.Children {
		for _, flag := range command.Flags {
			if command.Name == "up" && flag.Name != "config" {
				repeatable[flag.Name] = flag.IsSlice()
			}
		}
	}
	var path string
	for _, flag := range parsed.Selected().Flags {
		if flag.Name == "config" {
			path = parsed.FlagValue(flag).(string)
		}
	}
	if path == "" {
		return nil
	}
	file, err := readConfigFile(path, repeatable)
	if err == nil {
		parsed.AddResolver(file)
	}
	return err
}
