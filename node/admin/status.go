package admin

// Status is what a node is and does, as GET /api/v1/status and
// `flashcrowd status --json` say it (design.md section 9).
type Status struct {
	Version string `json:"version"`
	PeerID  string `json:"peer_id"`
	// Addrs are full multiaddrs with /p2p/ID, dialable, usable as --bootstrap.
	Addrs   []string `json:"addrs"`
	Network string   `json:"network"`
	// Mode is "client" or "server" in the DHT, Connectivity what the node
	// knows of its own reachability.
	Mode         string `json:"mode"`
	Connectivity string `json:"connectivity"`
	// Peers are connected nodes, RoutingTable those in the DHT's table.
	Peers        int    `json:"peers"`
	RoutingTable int    `json:"routing_table"`
	Policy       string `json:"policy"`
	Share        string `json:"share"`

	Cache    CacheStatus   `json:"cache"`
	Bytes    BytesStatus   `json:"bytes"`
	Requests RequestStatus `json:"requests"`
	Verify   VerifyStatus  `json:"verify"`

	// Neighbours are nodes that mDNS found on the local network.
	Neighbours int          `json:"neighbours"`
	Upload     UploadStatus `json:"upload"`
}

// UploadStatus is how much is given to others. Limit is in octets a second,
// Quota and Spent in octets of this month; zero is no limit, and without a
// quota nothing is counted.
type UploadStatus struct {
	Limit int64 `json:"limit"`
	Quota int64 `json:"quota"`
	Spent int64 `json:"spent"`
	// Refused says why others are given nothing now, empty if they are.
	Refused string `json:"refused"`
}

// CacheStatus is what lies on disk and may, in octets.
type CacheStatus struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Limit   int64 `json:"limit"`
}

// BytesStatus is how many octets of bodies went where since the start.
type BytesStatus struct {
	ToClients  int64 `json:"to_clients"`
	FromOrigin int64 `json:"from_origin"`
	FromPeers  int64 `json:"from_peers"`
	ToPeers    int64 `json:"to_peers"`
}

// RequestStatus is how many requests of clients there were since the start.
type RequestStatus struct {
	Total int64 `json:"total"`
	Hits  int64 `json:"hits"`
}

// VerifyStatus is what was wrong of what strangers sent.
type VerifyStatus struct {
	RejectedBytes int64 `json:"rejected_bytes"`
	BannedPeers   int64 `json:"banned_peers"`
}

// Peer is another node, as GET /api/v1/peers and `flashcrowd peers --json` say
// it (design.md section 13).
type Peer struct {
	PeerID    string   `json:"peer_id"`
	Addrs     []string `json:"addrs"`
	Transport string   `json:"transport"`
	// Direction is "inbound" or "outbound".
	Direction string  `json:"direction"`
	RTT       float64 `json:"rtt_ms"` // milliseconds, 0 when not known
	BytesFrom int64   `json:"bytes_from"`
	BytesTo   int64   `json:"bytes_to"`
	// State is "ok", "slow" or "banned", Reason why it is not ok.
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Faces is where clients reach the node, as GET /api/v1/faces says it. URLs
// have no path.
type Faces struct {
	Proxy   string       `json:"proxy"`
	Admin   string       `json:"admin"`
	Mirrors []MirrorFace `json:"mirrors"`
}

// MirrorFace is a listener that stands for one origin.
type MirrorFace struct {
	URL    string `json:"url"`
	Origin string `json:"origin"`
}
