// tidwall/wal, a write-ahead log of segments. A partition is a number in front of each record, deletion is TruncateFront.
//
// Durability: "disk" is its default, which calls fsync (os.File.Sync) in every WriteBatch before that returns, and at the
// end of a segment; "os" is its option NoSync, one write for a batch. Its new segments' directory entries are not synced,
// which is left to the file system: ext4 and XFS write them with the fsync of a new file.

package main

import (
	"encoding/binary"

	"github.com/tidwall/wal"
)

const partitionBytes = 4

type tidwallWAL struct {
	log           *wal.Log
	batch         wal.Batch
	hasPartitions bool
	record        []byte
}

func openTidwallWAL(asked request) (subject, error) {
	options := *wal.DefaultOptions
	options.NoSync = asked.Durability == "os"
	options.NoCopy = true // What is read here is looked at, and not kept or changed.
	log, err := wal.Open(asked.Directory, &options)
	return &tidwallWAL{log: log, hasPartitions: asked.Partitions > 1}, err
}

func (t *tidwallWAL) last() (uint64, error) {
	return t.log.LastIndex()
}

func (t *tidwallWAL) append(first uint64, batches []batch) error {
	index := first
	for _, b := range batches {
		for n := range b.records {
			record := b.value(n)
			if t.hasPartitions {
				t.record = binary.LittleEndian.AppendUint32(t.record[:0], uint32(b.partition))
				t.record = append(t.record, record...)
				record = t.record
			}
			t.batch.Write(index, record) // It copies.
			index++
		}
	}
	return t.log.WriteBatch(&t.batch)
}

func (t *tidwallWAL) deleteBefore(index uint64) error {
	return t.log.TruncateFront(index)
}

func (t *tidwallWAL) read(visit func(value []byte) bool) error {
	first, err := t.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := t.log.LastIndex()
	if err != nil {
		return err
	}
	for index := first; index <= last; index++ {
		record, err := t.log.Read(index)
		if err != nil {
			return err
		}
		if t.hasPartitions {
			record = record[partitionBytes:]
		}
		if !visit(record) {
			return nil
		}
	}
	return nil
}
