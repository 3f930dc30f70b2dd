// Package compression compresses and decompresses the records of a batch: none,
// gzip, snappy, lz4 and zstd behind one Codec.
//
// What a Compressor writes is what Kafka's Java client writes, in the same
// framing, so that every Kafka client reads it:
//
//	gzip     one gzip member (RFC 1952)
//	snappy   xerial framing: 16-byte header, then blocks of at most 32 KiB, each
//	         behind its length; not the framing format of the snappy project
//	lz4      one LZ4 frame: version 1, independent blocks of 64 KiB, no checksum
//	         but the descriptor's, which is right (format v2 needs no broken one)
//	zstd     one zstd frame (RFC 8878) without checksum
//
// Decompress reads that and what other clients write: raw snappy, lz4 frames
// with any block size, checksums and content size, several gzip members and
// several zstd frames. It never returns more than its caller's limit, so a
// small batch that expands to gigabytes costs no more memory than the limit.
//
// # Levels
//
// Levels are Kafka's (KIP-390) and are mapped to what the Go libraries have:
//
//	gzip   1 to 9 as they are; -1 is 5, whose speed and size are near zlib's 6
//	lz4    9, the default, is the fast compressor, as in Java; any other level
//	       is the high-compression one, searching 2^level candidates at most
//	       (level 17 and its 131072 visit all there are in a block)
//	zstd   below 3 fastest, 3 to 5 default, 6 to 9 better, from 10 best: four
//	       encoders stand for the reference library's 22 levels
//
// This package imports nothing else of this module.
package compression
