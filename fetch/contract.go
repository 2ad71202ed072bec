package fetch

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Source delivers octets of one body. fetchtest.Source holds what follows
// against every implementation.
type Source interface {
	// Open asks for the octets of span. The reader ends with io.EOF after
	// exactly span.Len() octets, or fails; fewer are io.ErrUnexpectedEOF. It
	// obeys ctx, before and after Open returns. Whoever opened it closes it,
	// and Close stops the transfer.
	Open(ctx context.Context, span Span) (io.ReadCloser, error)
	// String names the source in logs and receipts: "origin" or a peer ID.
	String() string
}

// Answer is a final response of an origin. The caller closes Body.
type Answer struct {
	// Meta of the response; Shared is not decided yet.
	Meta *Meta
	// Body as it comes, after transfer coding and before content coding.
	Body io.ReadCloser
	// Trailer returns trailer fields after Body has ended; nil when none.
	Trailer func() http.Header
	// Part is which octets of a body of Total octets Body is, for a 206 with
	// one part that says so; else it is empty.
	Part  Span
	Total int64
}

// Origin is the client towards web servers.
type Origin interface {
	// Send sends req as it is, with extra fields set on top (nil for none),
	// and returns the final response, whatever its status. It follows no
	// redirects. Failures are *Failure.
	Send(ctx context.Context, req *Request, extra http.Header) (*Answer, error)
	// Probe asks what the origin says of the whole representation that req
	// selects, and takes no body: by HEAD, and where that is refused or says too
	// little, by the first octet. The answer is as one to GET would be, with
	// status 200 and the length of the whole, and has no Body; only if the
	// question itself was for a part, as of S3's partNumber, it is a 206 with
	// Part and Total set. It fails, without asking, while the origin wants
	// patience, with an error that has a method RetryAfter.
	Probe(ctx context.Context, req *Request) (*Answer, error)
	// Source returns the origin as source of the very representation that m
	// describes: ranges under If-Range, or with the same digest and total
	// where there is no strong validator. An origin that sends anything else
	// fails Open with ErrChanged; one that knows no ranges with ErrNoRanges.
	Source(req *Request, m *Meta) Source
}

// Stored is a response from the cache that may answer a request. The caller
// closes Body.
type Stored struct {
	Meta *Meta
	// Age and TTL as in RFC 9111 section 4.2: TTL is the freshness lifetime
	// less the age; zero or less is stale.
	Age, TTL time.Duration
	// Fresh: may be used without asking the origin, by what response and
	// request say. Stale may be used when the origin cannot be reached.
	Fresh, StaleOK bool
	// Unwanted: fresh by its own fields, but the request does not take it.
	// Revalidate: stale, and may be used at once while it is validated (RFC
	// 5861 section 3).
	Unwanted, Revalidate bool
	// Body is the complete body, at its first octet. It may have Plain()
	// *os.File, the file that is the body where it is one, or Bytes() []byte, all of
	// it, which nobody may change, or MayBeRotten(), where it was not all checked
	// since the process began. Of an incomplete response only what is Held can be
	// read from it.
	Body Body
	// Length of the complete body. Held are the octets of it that an
	// incomplete response has, in order and with gaps between; nil for a
	// complete one.
	Length int64
	Held   []Span
	// Sources of the body's octets when it was fetched.
	Sources []SourceBytes
	// Again, if not nil, is Lookup once more for the same request: as long as
	// it reports ok the answer is the same, but for its age and TTL. Nobody may
	// change the body.
	Again func(now time.Time) (age, ttl time.Duration, body []byte, ok bool)

	landing *flight // that is about to store it; nil when it is stored
}

// Body is one that can be read from anywhere.
type Body interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// SourceBytes is how much of a body came from where.
type SourceBytes struct {
	Kind  string `json:"kind"` // "origin", "peer" or "cache"
	Peer  string `json:"peer_id,omitempty"`
	Bytes int64  `json:"bytes"`
}

// Seal is what is known of a body once it is complete and right.
type Seal struct {
	Whole   verify.Whole
	Sources []SourceBytes
	// Evidence, if not nil, stands in the place of what Meta has: a probe told
	// more, or the body denied what was inferred of it.
	Evidence []verify.Evidence
}

// Writer takes the body of one response that is being fetched. Exactly one of
// Commit, Suspend and Abort must be called, after which no other method may
// be, but ReadAt and Release after Commit. WriteAt, ReadAt and Checkpoint may
// be called at once from many goroutines.
type Writer interface {
	io.WriterAt
	io.ReaderAt
	// Commit makes the response complete: from its return on Lookup finds it,
	// also after a crash. The body is seal.Whole.Digest.Length() octets long.
	// After an error the response is not stored, but ReadAt works still.
	Commit(seal Seal) error
	// Checkpoint says that the octets in spans, all of them written, are right:
	// the origin's own or proven, and all that Suspend would keep. They
	// outlive a crash from some moment soon after. It returns at once, costs
	// little, and may be called as often as octets come; what was right before
	// and is not among spans is taken back.
	Checkpoint(spans []Span)
	// Suspend ends the writer as Abort does, but keeps the octets in spans,
	// which must be right as Checkpoint says, for Resume and Partial; when it
	// returns they outlive a crash. It keeps nothing, and that is no error,
	// where nothing could be resumed: with no spans, no known length, or no
	// way to know the version again. It may wait for the disk. After an error
	// the response is forgotten.
	Suspend(spans []Span) error
	// Abort forgets the response, and what Resume gave back of it.
	Abort()
	// Release frees what Commit left open for readers; ReadAt fails from then.
	Release()
}

// Cache keeps responses on disk: the shared cache of RFC 9111, and what is
// served to other nodes.
type Cache interface {
	// Lookup returns the stored response that may be selected for req,
	// stale ones too. It fails with ErrMiss when there is none, and with
	// ErrVaryMiss when there are only others for the URL.
	Lookup(req *Request, now time.Time) (*Stored, error)
	// Partial returns the incomplete response that may be selected for req
	// (RFC 9111 section 3.3), with Held set: the one way to get one. It fails
	// with ErrMiss when there is none, also while one is resumed.
	Partial(req *Request, now time.Time) (*Stored, error)
	// Create begins to store the response m to req. It fails with
	// ErrNotStorable when RFC 9111 section 3 forbids it, and with another
	// error when the disk does. A part that came as 206 (section 3.4) is
	// stored under the 200 response that it is of: m has status 200 and the
	// complete length, req no Range, and Suspend keeps what came.
	Create(req *Request, m *Meta) (Writer, error)
	// Resume is Create over the octets that an earlier Suspend or Checkpoint
	// kept of the same version: same URL, selecting fields, content coding and
	// complete length as m, and the same strong validator or, without one, the
	// same stated digest. It returns them too, in order and with gaps between;
	// ReadAt has them, and they need not be written again. It fails with
	// ErrMiss when there is nothing to resume, or somebody else resumes it.
	Resume(req *Request, m *Meta) (Writer, []Span, error)
	// Freshen updates the stored response old, selected for req, by m, a 304
	// answer (RFC 9111 section 4.3.4) or a 200 answer to HEAD (section 4.3.5),
	// and returns it as Lookup would, or Partial where old came from it. It
	// fails with ErrChanged when m is about another version.
	Freshen(req *Request, old *Stored, m *Meta, now time.Time) (*Stored, error)
	// Invalidate makes what is stored for url unusable without validation
	// (RFC 9111 section 4.4).
	Invalidate(url string)
}

// Memory remembers digests of full downloads beyond the life of the bodies.
type Memory interface {
	// Recall returns the digest of the body that this node once downloaded in
	// full from the origin under id with this strong entity tag and coding.
	Recall(id dht.ID, etag, coding string) (verify.Digest, bool)
}

// Carried are bodies that came without an origin, as in an archive: proven to
// have their digests, and no more than that. What status and fields they have,
// and whether they are anybody's, an origin says.
type Carried interface {
	// Claim opens a body that waits and has the digest d, for a flight whose
	// origin has just stated that. Whoever gets it closes it.
	Claim(d verify.Digest) (Body, bool)
	// Expects reports whether somebody said that such a body is that of the
	// URL with this id. It is a hint: the origin may be asked by HEAD.
	Expects(id dht.ID) bool
	// Disappoint says that the origin has answered, and stated no digest of a
	// body that waits: Expects is false from then on.
	Disappoint(id dht.ID)
}

// Shelf is what other nodes may ask for. Opening an object that is not there,
// not shared, or of another version is ErrUnknown in each case, and takes the
// same time as far as that can be had.
type Shelf interface {
	Open(id dht.ID, token verify.Token) (*Shelved, error)
}

// Shelved is one body open for serving. The caller closes it.
type Shelved struct {
	Digest verify.Digest
	Coding string
	// Meta of the response that the body is of; nil offers nothing through a
	// Fetcher, which holds it against what may be shared now.
	Meta *Meta
	// Complete: all pieces are here and proven; then States are set
	// (verify.Whole). Otherwise Has tells which pieces may be read.
	Complete bool
	Has      Pieces
	States   []byte
	Body     io.ReaderAt
	Close    func()
	// Follow tells what is new of a body that is under way; nil where nothing
	// changes. It may be called after Close.
	Follow Follow
	// Served is called with the octets sent; it may be nil.
	Served func(octets int64)
}

// Want names one version of one object to the swarm.
type Want struct {
	ID    dht.ID
	Proof verify.Proof
	// Coding is the content coding of the body, "" for identity.
	Coding string
}

// Token returns the version token of w.
func (w Want) Token() verify.Token { return verify.TokenOf(w.ID, w.Proof.Digest()) }

// Have is what a peer says of itself. It is a claim: a peer that says Complete
// says that it verified the digest.
type Have struct {
	Complete bool
	// Has tells which pieces the peer offers now.
	Has Pieces
	// ListHash commits the peer to a state list; zero unless Complete.
	ListHash [32]byte
}

// Peer is another node as a source of one object. Its spans begin and end at
// borders of pieces; its octets are a stranger's and prove nothing.
type Peer interface {
	Source
	// Have asks what the peer has. ErrUnknown: it does not have this version.
	Have(ctx context.Context) (Have, error)
	// States asks for the state list. Its hash is not checked.
	States(ctx context.Context) ([]byte, error)
	// Follow hears the peer's news until ctx is done or the peer ends them,
	// which is nil; one that knows no news is ErrUnknown. hear is called by one
	// goroutine and must not keep what it gets.
	Follow(ctx context.Context, hear func(News)) error
}

// Swarm is the exchange with other nodes.
type Swarm interface {
	// Peer returns member m as a source of w. It does not wait for a
	// connection. It fails with ErrBanned, or when m is not a possible peer.
	Peer(m dht.Member, w Want) (Peer, error)
	// Ban ends all exchange with the peer that lie is about, for this run and
	// those to come.
	Ban(lie verify.Lie)
}
