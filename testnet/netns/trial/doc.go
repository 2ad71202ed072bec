// Package trial plays a flash crowd with real programs on shaped links: nginx
// as the origin, a line for each peer, and one of four ways to get the file.
//
//   - Direct: every peer takes it from the origin with curl.
//   - Aria2: every peer runs aria2 on a torrent of the file that has the origin
//     as its web seed, with opentracker; so somebody published a torrent first.
//   - Libtorrent: the same torrent with libtorrent, the library of qBittorrent and
//     Deluge, driven by a few lines of Python.
//   - Flashcrowd: every peer runs a node and takes it with curl through that.
//
// [Run] plays one scenario in one way and says what came of it. It needs what
// package netns needs, and the programs named above.
package trial
