package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

func administer(ctx context.Context, broker string, admin *kadm.Client) {
	brokers, err := admin.ListBrokers(ctx)
	must(err, "brokers are listed")
	check(len(brokers) == 1, "a cluster of one broker")

	retention := "86400000"
	_, err = admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &retention}}, topic)
	must(err, "a config is altered")
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	must(err, "configs are described")
	check(valueOf(configs[0], "retention.ms") == retention, "a config is altered and described")

	ends, err := admin.ListEndOffsets(ctx, topic)
	must(err, "ends are told")
	end, _ := ends.Lookup(topic, 0)
	middle := end.Offset / 2
	found, err := admin.ListOffsetsAfterMilli(ctx, 1001, topic)
	must(err, "offsets are found by time")
	after, _ := found.Lookup(topic, 0)
	check(after.Timestamp == 1001 || after.Offset > 0, "an offset is found by its time")

	var before kadm.Offsets
	before.AddOffset(topic, 0, middle, -1)
	_, err = admin.DeleteRecords(ctx, before)
	must(err, "records are deleted")
	starts, err := admin.ListStartOffsets(ctx, topic)
	must(err, "starts are told")
	start, _ := starts.Lookup(topic, 0)
	check(start.Offset == middle, "records are deleted, and the log begins behind them")

	directories, err := admin.DescribeAllLogDirs(ctx, nil)
	must(err, "directories are described")
	check(directories[1].Size() > 0, "directories and their sizes are described")

	_, err = admin.CreatePartitions(ctx, 2, topic)
	must(err, "partitions are added")
	check(partitionsOf(ctx, broker) == partitions+2, "partitions are added")
	_, err = admin.DeleteTopics(ctx, topic)
	must(err, "a topic is deleted")
	check(partitionsOf(ctx, broker) == 0, "a topic is deleted")
}

// partitionsOf asks as a client that has no answer from before.
func partitionsOf(ctx context.Context, broker string) int {
	client := newClient(broker)
	defer client.Close()
	details, err := kadm.NewClient(client).ListTopics(ctx)
	must(err, "topics are listed")
	return len(details[topic].Partitions)
}

func valueOf(configs kadm.ResourceConfig, name string) string {
	for _, config := range configs.Configs {
		if config.Key == name && config.Value != nil {
			return *config.Value
		}
	}
	return ""
}
