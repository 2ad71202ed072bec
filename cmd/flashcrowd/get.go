package main
type getCmd struct{ URL []string `arg:""` }
func (c *getCmd) Run(s *session) error { return nil }
