// Package netns makes small networks of Linux network namespaces: hosts with
// an address, a loopback and a line of their own, joined by a switch. Real
// programs run on them as on machines apart, and what each line carried is
// counted by the kernel.
//
//	net, err := netns.New(ctx)
//	defer net.Close()
//	web, err := net.Host(ctx, "web", netns.Line{Up: 20 * netns.Mbit})
//	out, err := web.Command(ctx, "curl", "http://10.77.2.1/").Output()
//
// It needs Linux, root and iproute2. There is no delay and no loss but in the
// queues: a line is a token bucket at each end (tbf), so a round trip takes
// what waits in the queues, at most Queue for each crossing, and below 1 ms on
// idle lines. Congestion control is reno everywhere, which every kernel allows
// in a namespace, whatever the machine's default is.
//
// Everything is gone after Close. A child process sees to that and does it as
// well when this process panics, is interrupted or killed. Several networks,
// also of several processes, do not meet: their names are random and all
// interfaces live in the namespaces.
package netns
