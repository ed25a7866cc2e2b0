package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const group = "billing"

// member is one of the group; how many partitions it has is told on a channel whenever that changes.
type member struct {
	client *kgo.Client
	counts chan int
	count  int
}

func newMember(broker string, options ...kgo.Opt) *member {
	one := &member{counts: make(chan int, 100)}
	gained := func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
		one.count += len(assigned[topic])
		one.counts <- one.count
	}
	lost := func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
		one.count -= len(revoked[topic])
		one.counts <- one.count
	}
	common := []kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(gained), kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost),
	}
	one.client = newClient(broker, append(common, options...)...)
	return one
}

// share has two members share the partitions of a group, one leave, and another one go on where the group has got to;
// with each of the balancers of today: cooperative, and all at once.
func share(ctx context.Context, broker string, admin *kadm.Client) {
	total := records * len(codecs)
	for _, kind := range []struct {
		name     string
		balancer kgo.GroupBalancer
	}{{"cooperative", kgo.CooperativeStickyBalancer()}, {"eager", kgo.RangeBalancer()}} {
		name, balancer := kind.name, kind.balancer
		one := newMember(broker, kgo.Balancers(balancer))
		consumed := one.consume(ctx, total)
		check(one.count == partitions && consumed == total, "%s: alone, a member has all partitions", name)
		must(one.client.CommitUncommittedOffsets(ctx), "committed")
		two := newMember(broker, kgo.Balancers(balancer))
		one.client.AllowRebalance()
		await(one, two, func() bool { return one.count+two.count == partitions && one.count > 0 && two.count > 0 })
		check(true, "%s: two members share three partitions", name)
		described, err := admin.DescribeGroups(ctx, group)
		must(err, "the group is described")
		check(len(described[group].Members) == 2 && described[group].State == "Stable", "%s: two members are described", name)
		one.client.Close()
		await(one, two, func() bool { return two.count == partitions })
		check(true, "%s: the one that stays gets them all", name)
		two.client.Close()
		lag, err := admin.Lag(ctx, group)
		must(err, "the lag is told")
		check(lag[group].Lag.Total() == 0, "%s: the group has committed everything", name)
		goOn(ctx, broker, name, balancer)
		total++
		_, err = admin.DeleteGroup(ctx, group)
		must(err, "a group is deleted")
	}
	_, err := admin.DeleteGroup(ctx, group)
	check(errors.Is(err, kerr.GroupIDNotFound), "a group that is gone is not found")
}

// goOn produces a record, and sees a member that comes later get that one and no other.
func goOn(ctx context.Context, broker, name string, balancer kgo.GroupBalancer) {
	producer := newClient(broker, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("late")}).FirstErr(), "produced")
	producer.Close()
	late := newMember(broker, kgo.Balancers(balancer))
	found := poll(ctx, late.client)
	check(len(found) == 1 && string(found[0].Value) == "late", "%s: a member that comes back goes on where the group is", name)
	late.client.Close()
}

func (one *member) consume(ctx context.Context, count int) int {
	consumed := 0
	for consumed < count {
		consumed += len(poll(ctx, one.client))
	}
	return consumed
}

// await waits until the members' partitions are as wanted.
func await(one, two *member, isDone func() bool) {
	over := time.After(timeout)
	for !isDone() {
		select {
		case <-one.counts:
		case <-two.counts:
		case <-over:
			must(context.DeadlineExceeded, "partitions change hands")
		}
	}
}
