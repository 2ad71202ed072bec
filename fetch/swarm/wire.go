// /flashcrowd/swarm/1
//
// A stream carries any number of requests, about any objects. Each is answered
// in full before the next; requests may be sent ahead. Nothing here knows of
// HTTP: there is no status and no header field in any message.
//
//	asker                                  server
//	-----                                  ------
//	request 1 have(id, token, coding)  ->
//	                                   <-  answer 1 have(complete, pieces, list hash)
//	request 2 get(id, token, coding, spans) ->
//	request 3 get(id, token, coding, spans) ->      (sent before 2 is answered)
//	                                   <-  answer 2 head(total octets)
//	                                   <-  answer 2 data(octets) ...
//	                                   <-  answer 2 data(octets, last)
//	                                   <-  answer 3 head, data ...
//	request 4 states(id, token, coding) ->
//	                                   <-  answer 4 head, data ... (the state list)
//	request 5 (unknown id or token)    ->
//	                                   <-  answer 5 gone
//	request 6 follow(id, token, coding) ->
//	                                   <-  answer 6 news(all so far)
//	                                   <-  answer 6 news(what has changed) ... up to news(last)
//	end of stream                      ->
//	                                   <-  end of stream
//
// Frame: length (uvarint, shortest form) | message (protobuf, that many octets)
//
//	request  1 number  2 id[32]  3 token[16]  4 coding  5 have{}  6 get{1 span{1 offset 2 length}... 2 credit}
//	         7 states{}  8 follow{}
//	answer   1 number  2 have{1 complete 2 pieces 3 list hash[32]}
//	         3 head{1 total 2 credit}  4 data{1 octets 2 last}  5 gone{}  6 busy{}
//	         7 news{1 claim{1 piece 2 hash[32] 3 own}...  2 lost...  3 intends  4 intent{1 first 2 pieces 3 lease ms}...
//	           5 member{1 peer id 2 address...}...  6 back-off ms  7 complete  8 last  9 credit}
//
// gone: the one refusal, the same octets for an unknown id or token, another
// coding, what is not shared, a banned asker, spans that are not offered, and
// a kind of request that the server does not know. busy: no free slot, ask
// later; it is said before the object is looked up. Who asks beyond the credit
// below hears it, too.
//
// credit: how many octets of bodies that are not complete the server will owe
// this asker at a time, as told last by head or news; a piece, where nothing is
// owed, it grants always. An asker that keeps to it says so in its gets. The
// others have the places that "answers with pieces" below leaves them.
//
// Unknown fields are skipped, and so are answers of an unknown kind, 16 in one
// answer at most. A known field that comes twice, a number of 2^63 or more, a
// size that is not the one above, spans that are empty, overlap or do not rise:
// malformed, and the stream is reset.
//
// A peer is banned for good when the octets of its data frames are more than
// the total in its own head, or fewer at the frame that it marked as the last,
// and when a piece that it sends is not what its own claim or state list says.
// A stream that just ends or is reset is an accident.
//
//	limit                            value
//	request frame, answer frame      64 KiB, 512 KiB (data: 64 KiB of octets)
//	spans in a get                   256, at borders of pieces
//	coding                           32 octets
//	inbound streams a peer           32, the rest is reset
//	streams out to one peer          16 in use, 4 idle for 10 s
//	answers at a time, all peers     256, a wait of 1 s for a slot, then busy
//	answers with pieces, at a time   8 of each body that is not complete, then busy; not with credit
//	credit, all askers together      what is sent in 250 ms or two round trips, at least 4 pieces
//	credit of one asker              an equal share, a piece at least, 2 MiB at most
//	news                             8192 claims and losses, 4 intents, 32 members of 16 addresses
//	lease, hint of back-off          10 s, 5 s; longer ones count as that
//	news, at least                   every 4 s; none for 10 s ends them
//	connect, first octet, idle       10 s, 5 s, 10 s for each 16 KiB
//	server: next request, its frame  60 s, 10 s; a write of 64 KiB 30 s

package swarm

import (
	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Protocol is the libp2p protocol ID of the exchange.
const Protocol protocol.ID = "/flashcrowd/swarm/1"

const (
	maxFrame   = 512 << 10
	maxRequest = 64 << 10
	maxSpans   = 256
	maxCoding  = 32
	maxSkipped = 16
	// dataSize is how many octets a data frame carries: one piece of most
	// bodies, so that a piece can be judged as soon as it is here.
	dataSize = verify.MinPieceSize
)

// kind is which member of the oneof a message has; its value is the field
// number.
type kind uint8

// Kinds of requests and answers. A message without a known one has kind 0.
const (
	askHave   kind = 5
	askGet    kind = 6
	askStates kind = 7
	askFollow kind = 8

	ansHave kind = 2
	ansHead kind = 3
	ansData kind = 4
	ansGone kind = 5
	ansBusy kind = 6
	ansNews kind = 7
)

// request is one request frame.
type request struct {
	number uint64
	id     dht.ID
	token  verify.Token
	coding string
	kind   kind
	spans  []fetch.Span // of a get: not empty, rising, without overlap
	credit bool         // of a get: the asker keeps to his credit
}

// answer is one answer frame. Its slices are of the frame's buffer.
type answer struct {
	number uint64
	kind   kind

	complete         bool   // have
	pieces, listHash []byte // have
	total            int64  // head
	credit           int64  // head, news; 0 for none
	octets           []byte // data
	last             bool   // data, news
	news             *fetch.News
}
