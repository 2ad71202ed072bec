package verify_test

const (
	reprNow = "Repr-Digest: sha-256=:{sha256b64}:"
	s3Plain = "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{md5}\"\nServer: AmazonS3\n"
)

// fieldCases are the rows of the RFCs.
var fieldCases = []rowCase{
	{"Repr-Digest", "E7 sha-256", []shape{
		{text: reprNow}, {text: reprNow, method: "HEAD"}, {text: reprNow, status: 206},
		{text: "Repr-Digest: md5=:AAAA:, sha-256=:{sha256b64}:"}, {text: reprNow + "\nContent-Encoding: gzip"},
	}, []shape{
		{text: reprNow, status: 404}, {text: reprNow, method: "POST"}, {text: "Repr-Digest: sha-256={sha256b64}"},
		{text: "Repr-Digest: sha-256=:{sha256b64}:, sha-256=:{emptyb64}:"}, {text: "Repr-Digest: sha-256=:{md5b64}:"},
		{text: reprNow + "\nRepr-Digest: sha-256=:{emptyb64}:"}, {text: reprNow, length: -1}, {text: reprNow, status: 302},
		{text: reprNow + "\nX-Checksum-Sha256: {md5}{md5}"}, // the origin contradicts itself
	}},
	{"Repr-Digest, deprecated algorithm", "E5 sha-1, E4 md5", []shape{{text: "Repr-Digest: sha=:{sha1b64}:, md5=:{md5b64}:"}}, []shape{
		{text: "Repr-Digest: unixsum=:AAA=:"}, {text: "Repr-Digest: sha-1=:{sha1b64}:"}, {text: "Repr-Digest: md5={md5b64}"},
	}},
	{"Content-Digest", "E7 sha-256", []shape{{text: "Content-Digest: sha-256=:{sha256b64}:"}}, []shape{
		{text: "Content-Digest: sha-256=:{emptyb64}:", method: "HEAD"}, {text: "Content-Digest: sha-256=:{sha256b64}:", method: "HEAD"},
		{text: "Content-Digest: sha-256=:{sha256b64}:", status: 206},
	}},
	{"Unencoded-Digest", "E7 sha-512", []shape{{text: "Unencoded-Digest: sha-512=:{sha512b64}:"}}, []shape{
		{text: "Unencoded-Digest: sha-512=:{sha512b64}:\nContent-Encoding: gzip"}, {text: "Unencoded-Digest: sha-512={sha512b64}"},
	}},
	{"Digest (RFC 3230)", "E7 sha-256", []shape{{text: "Digest: SHA-256={sha256b64}"}, {text: "Digest: sha-256={sha256b64},MD5={md5b64}", method: "HEAD"}}, []shape{
		{text: "Digest: SHA-256={sha256b64}\nContent-Encoding: gzip"}, {text: "Digest: SHA-256={sha256b64}", status: 206},
		{text: "Digest: SHA-256={sha256b64},SHA-256={emptyb64}"}, {text: "Digest: SHA={sha1b64}"}, {text: "Digest: SHA-256={sha256}"},
		{text: "Digest: mi-sha256-03={sha256b64}"},
	}},
	{"Content-MD5", "E4 md5", []shape{{text: "Content-MD5: {md5b64}"}, {text: "Content-MD5: {md5b64}", method: "HEAD"}}, []shape{
		{text: "Content-MD5: {md5b64}", status: 206}, {text: "Content-MD5: {md5b64}\nContent-Encoding: gzip"}, {text: "Content-MD5: {md5}"},
		{text: "Content-MD5: {md5b64}\nx-ms-request-id: 1\nx-ms-blob-type: BlockBlob"}, {text: "Content-MD5: {md5b64}\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA=="},
	}},
	{"MirrorBrain redirect", "E7 sha-256, E5 sha-1, E4 md5", []shape{{
		status: 302, text: "Digest: MD5={md5b64}\nDigest: SHA={sha1b64}\nDigest: SHA-256={sha256b64}\nLocation: https://mirror.test/file\nLink: <https://site.test/file.meta4>; rel=describedby; type=\"application/metalink4+xml\"",
	}}, []shape{
		{status: 302, text: "Location: https://mirror.test/file"}, {status: 404, text: "Digest: SHA-256={sha256b64}"},
		{status: 302, text: "Digest: SHA-256={sha256b64}\nLocation: https://mirror.test/file", length: -1},
		{status: 304, text: "Digest: SHA-256={sha256b64}"},
	}},
}

// storeCases are the rows of object stores.
var storeCases = []rowCase{
	{"S3 entity tag", "E3 md5", []shape{
		{text: s3Plain}, {text: s3Plain + "x-amz-server-side-encryption: AES256", method: "HEAD"},
		{url: "https://bucket.s3.eu-west-1.amazonaws.com/file", text: "x-amz-request-id: 7F2\nETag: \"{md5}\""},
	}, []shape{
		{text: s3Plain + "x-amz-server-side-encryption: aws:kms"}, {text: s3Plain + "x-amz-server-side-encryption-customer-algorithm: AES256"},
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{md5}-2\""}, {text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: W/\"{md5}\""},
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{md5}-gzip\""}, {text: s3Plain + "Content-Encoding: gzip"},
		{text: "Server: AmazonS3\nETag: \"{md5}\""}, {text: s3Plain, length: -1}, {text: s3Plain, status: 206}, {text: s3Plain + "x-amz-mp-parts-count: 2"},
		{url: "https://b--use1-az5--x-s3.s3express-use1-az5.us-east-1.amazonaws.com/file", text: s3Plain},
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nServer: MinIO\nx-amz-server-side-encryption: AES256\nETag: \"{md5}\""},
		{text: s3Plain + "x-amz-meta-md5chksum: AAAAAAAAAAAAAAAAAAAAAA=="}, // the uploader says otherwise
	}},
	{"S3 entity tag of parts", "E3 md5-of-parts", []shape{{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{parts}-2\"", part: 200}}, []shape{
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{parts}-2\""}, {text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{parts}-2\"", part: 100},
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{parts}-02\"", part: 200}, {text: "ETag: \"{parts}-2\"", part: 200},
		{text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{md5}-2\"", part: 200}, {text: "x-amz-id-2: 5Qm\nx-amz-request-id: 7F2\nETag: \"{parts}-2\"", part: 250},
	}},
	{"S3 checksum SHA-256", "E7 sha-256", []shape{
		{text: s3Plain + "x-amz-checksum-sha256: {sha256b64}\nx-amz-checksum-type: FULL_OBJECT"}, {text: s3Plain + "x-amz-checksum-sha256: {sha256b64}", method: "HEAD"},
	}, []shape{
		{text: s3Plain + "x-amz-checksum-sha256: {sha256b64}-2"}, {text: s3Plain + "x-amz-checksum-sha256: {sha256b64}\nx-amz-checksum-type: COMPOSITE"},
		{text: s3Plain + "x-amz-checksum-sha256: {sha256b64}", status: 206}, {text: "ETag: \"{md5}-2\"\nx-amz-checksum-sha256: {sha256b64}"},
		{text: s3Plain + "x-amz-checksum-sha256: {sha256b64}", url: "https://b.s3.amazonaws.com/file?X-Amz-Signature=ab"},
	}},
	{"S3 checksum SHA-1", "E5 sha-1", []shape{{text: s3Plain + "x-amz-checksum-sha1: {sha1b64}"}}, []shape{
		{text: s3Plain + "x-amz-checksum-sha1: {sha1b64}-3"}, {text: s3Plain + "x-amz-checksum-sha1: {sha1b64}", status: 206}, {text: s3Plain + "x-amz-checksum-sha1: {sha1}"},
	}},
	{"S3 checksum CRC", "", []shape{{text: "x-amz-checksum-crc64nvme: AAAAAAAAAAA="}, {text: "x-amz-checksum-crc32c: AAAAAA=="}}, []shape{{text: "x-amz-request-id: 7F2"}}},
	{"rclone metadata", "", []shape{{text: "x-amz-meta-md5chksum: {md5b64}"}}, []shape{{text: "x-amz-meta-md5chksum: {md5}"}}},
	{"GCS hash", "E4 md5", []shape{
		{text: "x-goog-hash: crc32c=AAAAAA==\nx-goog-hash: md5={md5b64}\nx-goog-generation: 1\nx-goog-stored-content-encoding: identity\nx-goog-stored-content-length: {len}"},
		{text: "x-goog-hash: crc32c=AAAAAA==,md5={md5b64}"},
		{text: "x-goog-hash: md5={md5b64}\nETag: W/\"{md5}\"\nServer: cloudflare"}, // an edge that weakened the tag
	}, []shape{
		{text: "x-goog-hash: md5={md5b64}\nx-goog-stored-content-encoding: gzip"}, {text: "x-goog-hash: md5={md5b64}\nContent-Encoding: gzip\nx-goog-stored-content-encoding: gzip"},
		{text: "x-goog-hash: md5={md5b64}\nx-goog-component-count: 3"}, {text: "x-goog-hash: md5={md5b64}", status: 206},
		{text: "x-goog-hash: md5={md5b64}\nx-goog-stored-content-length: 17"}, {text: "x-goog-hash: md5={md5b64}, md5=AAAAAAAAAAAAAAAAAAAAAA=="},
	}},
	{"GCS CRC", "", []shape{{text: "x-goog-hash: crc32c=AAAAAA=="}}, []shape{{text: "x-goog-generation: 1"}}},
	{"GCS entity tag", "E4 md5", []shape{{text: "x-goog-generation: 1\nETag: \"{md5}\"\nx-goog-hash: md5={md5b64}"}}, []shape{
		{text: "x-goog-generation: 1\nETag: \"{md5}\""}, {text: "x-goog-generation: 1\nETag: \"-CKih16GjycICEAE=\"\nx-goog-hash: md5={md5b64}"}, {text: "ETag: \"{md5}\"\nx-goog-hash: md5={md5b64}"},
	}},
	{"Azure MD5", "", []shape{{text: "x-ms-version: 2020-04-08\nContent-MD5: {md5b64}"}, {text: "x-ms-blob-content-md5: {md5b64}", status: 200}}, []shape{{text: "x-ms-blob-content-md5: {md5b64}", status: 206}}},
	{"Azure entity tag", "", []shape{{text: "ETag: \"0x8D8C1B0A2F2F2F2\""}}, []shape{{text: "ETag: \"{md5}\""}}},
	{"Backblaze B2 SHA-1", "E5 sha-1", []shape{{text: "X-Bz-Content-Sha1: {sha1}"}}, []shape{
		{text: "X-Bz-Content-Sha1: none\nX-Bz-Info-large_file_sha1: {sha1}"}, {text: "X-Bz-Content-Sha1: unverified:{sha1}"}, {text: "X-Bz-Content-Sha1: {sha1}", status: 206},
	}},
	{"Backblaze B2 large file", "", []shape{{text: "X-Bz-Content-Sha1: none\nX-Bz-Info-large_file_sha1: {sha1}"}}, []shape{{text: "X-Bz-Info-large_file_sha1: none"}}},
	{"Cloudflare R2 entity tag", "E3 md5", []shape{{url: "https://pub-1.r2.dev/file", text: "ETag: \"{md5}\"\nServer: cloudflare"}}, []shape{
		{url: "https://pub-1.r2.dev/file", text: "ETag: \"{md5}-4\""}, {text: "ETag: \"{md5}\"\nServer: cloudflare"}, {url: "https://r2.dev.evil.test/file", text: "ETag: \"{md5}\""},
	}},
	{"OpenStack Swift entity tag", "E3 md5", []shape{{text: "ETag: {md5}\nX-Trans-Id: tx1\nX-Timestamp: 1"}, {text: "ETag: \"{md5}\"\nX-Trans-Id: tx1"}}, []shape{
		{text: "ETag: \"{md5}\"\nX-Trans-Id: tx1\nX-Static-Large-Object: True"}, {text: "ETag: \"{md5}\"\nX-Trans-Id: tx1\nX-Object-Manifest: c/p"}, {text: "ETag: {md5}"},
		{text: "ETag: \"{md5}\"\nX-Trans-Id: tx1\nX-Manifest-Etag: {md5}"},
	}},
	{"Wikimedia SHA-1", "E5 sha-1", []shape{{url: "https://upload.wikimedia.org/wikipedia/commons/a/ab/P.jpg", text: "x-object-meta-sha1base36: {b36}\nETag: {md5}"}}, []shape{
		{text: "x-object-meta-sha1base36: {b36}"}, {url: "https://upload.wikimedia.org/p", text: "x-object-meta-sha1base36: 0{b36}"},
		{url: "https://upload.wikimedia.org/p", text: "x-object-meta-sha1base36: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}, {url: "https://upload.wikimedia.org/p", text: "x-object-meta-sha1base36: {b36}", status: 206},
	}},
}

// placeCases are the rows of registries, of URLs and of documents.
var placeCases = []rowCase{
	{"RubyGems index", "E7 sha-256", []shape{{url: "https://index.rubygems.org/versions", text: "Digest: sha-256={sha256b64}\nRepr-Digest: sha-256=:{sha256b64}:\nETag: \"{md5}\""}}, []shape{
		{text: "Repr-Digest: sha-256=:{sha256b64}:"}, {text: "Digest: sha-256={emptyb64}\nRepr-Digest: sha-256=:{sha256b64}:"},
	}},
	{"Maven Central checksum", "E5 sha-1, E4 md5", []shape{{url: "https://repo.maven.apache.org/maven2/a/1/a-1.jar", text: "x-checksum-sha1: {sha1}\nx-checksum-md5: {md5}\nETag: \"{md5}\""}}, []shape{
		{text: "x-checksum-sha1: {sha1}", status: 206}, {text: "x-checksum-sha1: {sha1b64}"}, {text: "x-checksum-sha1: {sha1}\nContent-Encoding: gzip"},
	}},
	{"Nexus entity tag", "E5 sha-1", []shape{{text: "ETag: \"{SHA1{{sha1}}}\""}}, []shape{
		{text: "ETag: \"{SHA1{{sha1}}\""}, {text: "ETag: W/\"{SHA1{{sha1}}}\""}, {text: "ETag: \"{MD5{{md5}}}\""}, {text: "ETag: \"{SHA1{{md5}}}\""}, {text: "ETag: \"{sha1}\""},
	}},
	{"Artifactory checksum", "E7 sha-256", []shape{{text: "X-Checksum-Sha256: {sha256}\nX-Checksum-Sha1: {sha1}\nX-Checksum-Md5: {md5}"}}, []shape{
		{text: "X-Checksum-Sha256: {sha256}", status: 206}, {text: "X-Checksum-Sha256: {sha256}\nX-Checksum-Sha256: {sha256}"}, {text: "X-Checksum-Sha256: {sha1}"},
	}},
	{"OCI digest of a manifest", "E7 sha-256", []shape{{url: "https://registry.test/v2/lib/a/manifests/latest", text: "Docker-Content-Digest: sha256:{sha256}\nETag: \"sha256:{sha256}\""}}, []shape{
		{text: "Docker-Content-Digest: sha256:{sha256}"}, {url: "https://registry.test/v2/lib/a/manifests/latest", text: "Docker-Content-Digest: sha256:{sha256}", auth: true},
		{url: "https://registry.test/v2/lib/a/manifests/latest", text: "Docker-Content-Digest: sha256:{sha1}"}, {url: "https://registry.test/v2/lib/a/manifests/latest", text: "Docker-Content-Digest: {sha256}"},
	}},
	{"Hugging Face LFS", "E7 sha-256", []shape{
		{url: "https://huggingface.co/o/m/resolve/main/model.bin", status: 302, text: "X-Linked-Etag: \"{sha256}\"\nX-Linked-Size: {len}\nX-Repo-Commit: abc\nLocation: https://cdn.test/x"},
		{url: "https://huggingface.co/o/m/resolve/main/model.bin", method: "HEAD", text: "X-Linked-Etag: \"{sha256}\"\nX-Linked-Size: {len}"},
	}, []shape{
		{url: "https://huggingface.co/o/m/resolve/main/model.bin", status: 302, text: "X-Linked-Etag: \"{sha256}\"\nX-Linked-Size: 17"},
		{url: "https://huggingface.co/o/m/resolve/main/model.bin", status: 302, text: "X-Linked-Etag: \"{sha256}-gzip\"\nX-Linked-Size: {len}"},
		{url: "https://huggingface.co/o/m/resolve/main/model.bin", status: 302, text: "X-Xet-Hash: {sha256}\nX-Linked-Size: {len}"},
		{text: "X-Linked-Etag: \"{sha256}\"\nX-Linked-Size: {len}"},
	}},
	{"Hugging Face git entity tag", "E3 git-blob-sha-1", []shape{{url: "https://huggingface.co/o/m/resolve/main/config.json", text: "ETag: \"{blob}\"\nX-Repo-Commit: abc"}}, []shape{
		{url: "https://huggingface.co/o/m/resolve/main/config.json", text: "ETag: \"{sha1}\"\nX-Repo-Commit: abc"}, {url: "https://huggingface.co/o/m/resolve/main/config.json", text: "ETag: W/\"{blob}\"\nX-Repo-Commit: abc"},
		{url: "https://huggingface.co/o/m/resolve/main/config.json", text: "ETag: \"{blob}-gzip\"\nX-Repo-Commit: abc"}, {text: "ETag: \"{blob}\""},
	}},
	{"PyPI URL", "E8 blake2b-256", []shape{{url: "https://files.pythonhosted.org/packages/{b2path}/a-1.0.whl", text: "ETag: \"{md5}-2\"\nserver: AmazonS3"}}, []shape{
		{url: "https://files.pythonhosted.org.evil.test/packages/{b2path}/a-1.0.whl"}, {url: "https://files.pythonhosted.org/packages/source/a/a/a-1.0.tar.gz"},
		{url: "https://files.pythonhosted.org/packages/{b2path}/a-1.0.whl?v=2"}, {url: "https://files.pythonhosted.org/packages/{b2path}/a-1.0.whl", text: "Content-Encoding: gzip"},
		{url: "https://files.pythonhosted.org/packages/{b2path}/a-1.0.whl", status: 404},
	}},
	{"OCI blob", "E8 sha-256", []shape{{url: "https://registry.test/v2/lib/a/blobs/sha256:{sha256}"}}, []shape{
		{url: "https://registry.test/v2/lib/a/blobs/sha256:{sha256}", auth: true}, {url: "https://registry.test/v2/lib/a/blobs/sha256:{sha1}"},
		{url: "https://registry.test/v2/lib/a/blobs/uploads/sha256:{sha256}?x=1"}, {url: "https://registry.test/v2/lib/a/blobs/sha512:{sha256}"},
	}},
	{"Debian by-hash", "E8 sha-256", []shape{{url: "https://deb.test/debian/dists/sid/main/binary-amd64/by-hash/SHA256/{sha256}"}}, []shape{
		{url: "https://deb.test/debian/dists/sid/main/by-hash/MD5Sum/{md5}"}, {url: "https://deb.test/debian/by-hash/SHA256/{sha256}.bak"}, {url: "https://deb.test/debian/by-hash/SHA1/{sha1}"},
	}},
	{"IPFS raw CID", "E8 sha-256", []shape{{url: "https://gateway.test/ipfs/{cid}"}}, []shape{
		{url: "https://gateway.test/ipfs/{dagcid}"}, {url: "https://gateway.test/ipfs/{cid}?format=car"}, {url: "https://gateway.test/ipfs/{cid}/a.txt"}, {url: "https://gateway.test/ipns/{cid}"},
	}},
	{"PyPI simple index", "E8 sha-256", []shape{{value: "#sha256={sha256}"}}, []shape{{value: "#md5={md5}"}, {value: "#sha256={sha1}"}, {value: "?sha256={sha256}"}}},
	{"npm integrity", "E8 sha-512", []shape{{value: "sha512-{sha512b64}"}}, []shape{{value: "sha1-{sha1b64}"}, {value: "sha512-{sha256b64}"}}},
	{"npm shasum", "E5 sha-1", []shape{{value: "{sha1}"}}, []shape{{value: "{sha1b64}"}, {value: "{md5}"}}},
	{"crates.io index", "E8 sha-256", []shape{{value: "{sha256}"}}, []shape{{value: "{sha1}"}, {value: "sha256:{sha256}"}}},
	{"Git LFS pointer", "E8 sha-256", []shape{{value: "oid sha256:{sha256}"}}, []shape{{value: "oid {sha256}"}, {value: "oid sha256:{sha1}"}}},
	{"GitHub release API", "E8 sha-256", []shape{{value: "sha256:{sha256}"}}, []shape{{value: "sha512:{sha256}"}, {value: "{sha256}"}}},
	{"Metalink", "E7 sha-256", []shape{{value: "<hash type=\"sha-256\">{sha256}</hash>"}}, []shape{{value: "<hash type=\"sha-1\">{sha1}</hash>"}, {value: "<hash>{sha256}</hash>"}, {value: "<hash type=\"sha-256\">{sha256}</hash><hash type=\"sha-256\">{md5}{md5}</hash>"}}},
	{"Fedora metalink", "E8 sha-512", []shape{{value: "<hash type=\"sha512\">{sha512}</hash>"}}, []shape{{value: "<hash type=\"md5\">{md5}</hash>"}, {value: "<hash type=\"sha512\">{sha256}</hash>"}}},
	{"Subresource Integrity", "E8 sha-384", []shape{{value: "sha256-AAAA sha384-{sha384b64}"}, {value: "sha384-{sha384b64}?opt"}}, []shape{
		{value: "md5-{md5b64}"}, {value: "sha384-{sha384b64} sha384-{sha384b64}x"}, {value: "sha256-{sha256b64} sha512-AAAA"}, // the strongest counts
	}},
	{"archive.org files", "E5 sha-1", []shape{{value: "<sha1>{sha1}</sha1>"}}, []shape{{value: "<crc32>12345678</crc32>"}, {value: "<sha1>{md5}</sha1>"}}},
	{"Go checksum database", "", []shape{{value: "h1:{sha256b64}"}}, []shape{{value: "h1:{sha256}"}}},
	{"Signed exchange", "", []shape{{value: "mi-sha256-03={sha256b64}"}}, []shape{{value: "sha-256={sha256b64}"}}},
}

// tagCases are the rows of entity tags that only look like digests, or are
// some only where that was learned.
var tagCases = []rowCase{
	{"entity tag, learned MD5", "E3 md5", []shape{{text: "ETag: \"{md5}\"", learn: true}}, []shape{{text: "ETag: \"{md5}\""}, {text: "ETag: W/\"{md5}\"", learn: true}, {text: "ETag: \"{md5}\"\nContent-Encoding: br", learn: true}}},
	{"entity tag, learned SHA-1", "E3 sha-1", []shape{{text: "ETag: \"{sha1}\"", learn: true}}, []shape{{text: "ETag: \"{sha1}\""}, {text: "ETag: \"{sha1}-gzip\"", learn: true}}},
	{"Apache FileETag Digest", "E3 sha-1", []shape{{text: "ETag: \"{sha1b64}\"", learn: true}}, []shape{{text: "ETag: \"{sha1b64}\""}, {text: "ETag: \"{sha1b64}-gzip\"", learn: true}, {text: "ETag: W/\"{sha1b64}\"", learn: true}}},
	{"Tomcat strong entity tag", "E3 sha-256", []shape{{text: "ETag: \"{sha256}\"", learn: true}}, []shape{{text: "ETag: \"{sha256}\""}, {text: "ETag: W/\"12-1700000000\"", learn: true}}},
	{"GitHub raw entity tag", "", []shape{{text: "ETag: W/\"{sha256}\"", learn: true}}, []shape{{text: "ETag: W/\"{md5}\""}}},
	{"nginx, Apache, Caddy entity tag", "", []shape{{text: "ETag: \"65a1b2c3-12c\""}, {text: "ETag: \"12c-60f1b2c3d4e5f\""}, {text: "ETag: \"dbk3t8zyq9-8c\""}}, []shape{{text: "ETag: W/\"65a1b2c3-12c\""}}},
	{"Rack, Rails entity tag", "", []shape{{text: "ETag: W/\"{md5}\"", learn: true}}, []shape{{text: "ETag: \"{md5}\"", learn: false}}},
	{"Cloudflare Pages entity tag", "", []shape{{url: "https://app.pages.dev/a.js", text: "ETag: \"{md5}\"", learn: true}}, []shape{{text: "ETag: W/\"{md5}\""}}},
}
