package conformance

// What follows says the usual things shortly.

// says is an answer with these fields, whose body is "first".
func says(fields ...string) Answer { return Answer{Fields: fields, Body: "first"} }

// changed is an answer with these fields, whose body is "second".
func changed(fields ...string) Answer { return Answer{Fields: fields, Body: "second"} }

// unchanged is a 304 with these fields.
func unchanged(fields ...string) Answer { return Answer{Status: 304, Fields: fields} }

// seeing returns a with expectations of the request that it answers.
func (a Answer) seeing(expectations ...string) Answer {
	a.Sees = expectations
	return a
}

// with returns a with another status.
func (a Answer) with(status int) Answer {
	a.Status = status
	return a
}

// get is a GET with these fields.
func get(fields ...string) Step { return Step{Fields: fields} }

// to returns s at a path.
func (s Step) to(path string) Step {
	s.Path = path
	return s
}

// from returns s answered by the origin, whose last answer is what the client
// gets unless want says otherwise.
func (s Step) from(answers ...Answer) Step {
	s.Origin = answers
	last := answers[len(answers)-1]
	if s.Status == 0 {
		s.Status = last.Status
	}
	if s.WantBody == "" && s.method() != "HEAD" && last.Status != 304 {
		s.WantBody = last.Body
	}
	return s
}

// status returns s with the status the client must get.
func (s Step) status(code int) Step {
	s.Status = code
	return s
}

// want returns s with expectations of the response.
func (s Step) want(expectations ...string) Step {
	s.Want = append(s.Want[:len(s.Want):len(s.Want)], expectations...)
	return s
}

// body returns s with the body the client must get.
func (s Step) body(want string) Step {
	s.WantBody = want
	return s
}

// hit is a GET with these fields that the origin does not see, answered with
// the body "first".
func hit(fields ...string) Step { return get(fields...).body("first") }

// miss is a GET with these fields that the origin answers anew.
func miss(fields ...string) Step { return get(fields...).from(changed()) }

// section makes cases.
type section struct {
	name  string
	cases []Case
}

func (s *section) add(rfc, name string, steps ...Step) {
	s.cases = append(s.cases, Case{Section: s.name, Name: name, RFC: rfc, Steps: steps})
}

// only is add for some modes.
func (s *section) only(mode Mode, rfc, name string, steps ...Step) {
	s.cases = append(s.cases, Case{Section: s.name, Name: name, RFC: rfc, Only: []Mode{mode}, Steps: steps})
}

// reused adds a case of a response that answers the next request, too.
func (s *section) reused(rfc, name string, fields ...string) {
	s.add(rfc, name, get().from(says(fields...)), hit())
}

// asked adds a case of a response after which the origin is asked again.
func (s *section) asked(rfc, name string, fields ...string) {
	s.add(rfc, name, get().from(says(fields...)), miss())
}
