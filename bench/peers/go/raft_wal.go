// hashicorp/raft-wal, the log of Consul's and Vault's raft. A partition is a number in each record's extensions, deletion
// is DeleteRange from the start.
//
// Durability: "disk" is all that it does by itself: StoreLogs returns after an fsync of the segment (fs.File.Sync), the
// first time of its directory, too. It has no mode without; for "os" it gets, through WithSegmentFiler, its own file
// system with a Sync that does nothing. What it keeps about segments in bbolt is still synced, once in 64 MiB.

package main

import (
	"encoding/binary"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

type raftWAL struct {
	log           *wal.WAL
	hasPartitions bool
	records       []raft.Log
	pointers      []*raft.Log
}

func openRaftWAL(asked request) (subject, error) {
	var files types.VFS = fs.New()
	if asked.Durability == "os" {
		files = unsyncedFS{files}
	}
	log, err := wal.Open(asked.Directory, wal.WithSegmentFiler(segment.NewFiler(asked.Directory, files)))
	return &raftWAL{log: log, hasPartitions: asked.Partitions > 1}, err
}

func (r *raftWAL) last() (uint64, error) {
	return r.log.LastIndex()
}

func (r *raftWAL) append(first uint64, batches []batch) error {
	r.records, r.pointers = r.records[:0], r.pointers[:0]
	for _, b := range batches {
		var extensions []byte
		if r.hasPartitions {
			extensions = binary.LittleEndian.AppendUint32(nil, uint32(b.partition))
		}
		for n := range b.records {
			index := first + uint64(len(r.records))
			r.records = append(r.records, raft.Log{Index: index, Term: 1, Data: b.value(n), Extensions: extensions})
		}
	}
	for n := range r.records {
		r.pointers = append(r.pointers, &r.records[n])
	}
	return r.log.StoreLogs(r.pointers)
}

func (r *raftWAL) deleteBefore(index uint64) error {
	first, err := r.log.FirstIndex()
	if err != nil {
		return err
	}
	return r.log.DeleteRange(first, index-1)
}

func (r *raftWAL) read(visit func(value []byte) bool) error {
	first, err := r.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := r.log.LastIndex()
	if err != nil {
		return err
	}
	var record raft.Log
	for index := first; index <= last; index++ {
		if err := r.log.GetLog(index, &record); err != nil {
			return err
		}
		if !visit(record.Data) {
			return nil
		}
	}
	return nil
}

// unsyncedFS leaves it to the operating system when what was written goes to the disk.
type unsyncedFS struct {
	types.VFS
}

func (u unsyncedFS) Create(dir, name string, size uint64) (types.WritableFile, error) {
	file, err := u.VFS.Create(dir, name, size)
	return unsyncedFile{file}, err
}

func (u unsyncedFS) OpenWriter(dir, name string) (types.WritableFile, error) {
	file, err := u.VFS.OpenWriter(dir, name)
	return unsyncedFile{file}, err
}

type unsyncedFile struct {
	types.WritableFile
}

func (unsyncedFile) Sync() error {
	return nil
}
