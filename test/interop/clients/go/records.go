package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func makeTopic(ctx context.Context, admin *kadm.Client) {
	segment := "1048576"
	_, err := admin.CreateTopic(ctx, partitions, 1, map[string]*string{"segment.bytes": &segment}, topic)
	must(err, "a topic is made")
	_, err = admin.CreateTopic(ctx, partitions, 1, nil, topic)
	check(errors.Is(err, kerr.TopicAlreadyExists), "a topic is made once")
	details, err := admin.ListTopics(ctx, topic)
	must(err, "topics are listed")
	check(len(details[topic].Partitions) == partitions, "it has three partitions")
}

// produce is idempotent, as franz-go is by default. In each partition the records of a key are in order.
func produce(ctx context.Context, broker, codec string) {
	client := newClient(broker, kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerLinger(5*time.Millisecond))
	defer client.Close()
	var failure error
	for n := range records {
		record := &kgo.Record{
			Topic:     topic,
			Key:       fmt.Appendf(nil, "key-%d", n%100),
			Value:     fmt.Appendf(nil, "%s-%d", codec, n),
			Timestamp: time.UnixMilli(int64(1000 + n)),
			Headers:   []kgo.RecordHeader{{Key: "codec", Value: []byte(codec)}, {Key: "empty", Value: nil}},
		}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil && failure == nil {
				failure = err
			}
		})
	}
	must(client.Flush(ctx), "flushed")
	must(failure, "produced with "+codec)
	check(true, "produced with %s", codec)
}

// consume reads everything from the beginning, without a group.
func consume(ctx context.Context, broker string) {
	client := newClient(broker, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	seen := map[string]bool{}
	last := map[string]int{}
	offsets := map[int32]int64{}
	for len(seen) < records*len(codecs) {
		for _, record := range poll(ctx, client) {
			value := string(record.Value)
			codec, number, _ := strings.Cut(value, "-")
			n, err := strconv.Atoi(number)
			must(err, "a value that was sent")
			isSame := record.Timestamp.UnixMilli() == int64(1000+n) && len(record.Headers) == 2 &&
				string(record.Headers[0].Value) == codec && len(record.Headers[1].Value) == 0 &&
				bytes.Equal(record.Key, fmt.Appendf(nil, "key-%d", n%100))
			must(unless(isSame && !seen[value], value), "a record as it was sent, once")
			seen[value] = true
			chain := codec + string(record.Key)
			before, isThere := last[chain]
			must(unless(!isThere || before < n, value), "the records of a key in order")
			last[chain] = n
			must(unless(record.Offset == offsets[record.Partition], value), "offsets without a gap")
			offsets[record.Partition]++
		}
	}
	check(true, "five codecs: %d records, each once, with their headers and timestamps, those of a key in order", len(seen))
}

// refused looks at what the broker does not let through.
func refused(ctx context.Context, broker string, client *kgo.Client) {
	large := &kgo.Record{Topic: topic, Value: make([]byte, 2<<20)}
	permissive := newClient(broker, kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	err := permissive.ProduceSync(ctx, large).FirstErr()
	check(errors.Is(err, kerr.MessageTooLarge), "a batch that is too large is refused: %v", err)
	permissive.Close()
	far := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(1 << 40)}}
	reader := newClient(broker, kgo.ConsumePartitions(far), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	fetches := reader.PollFetches(ctx)
	check(errors.Is(fetches.Err(), kerr.OffsetOutOfRange), "an offset beyond the end is out of range")
	reader.Close()
	strict := newClient(broker, kgo.UnknownTopicRetries(0))
	err = strict.ProduceSync(ctx, &kgo.Record{Topic: "nowhere", Value: []byte("x")}).FirstErr()
	check(errors.Is(err, kerr.UnknownTopicOrPartition), "a topic that is not there is not made unasked: %v", err)
	strict.Close()
}

func poll(ctx context.Context, client *kgo.Client) []*kgo.Record {
	fetches := client.PollFetches(ctx)
	must(fetches.Err(), "polled")
	return fetches.Records()
}

func unless(holds bool, what string) error {
	if holds {
		return nil
	}
	return errors.New(what)
}
