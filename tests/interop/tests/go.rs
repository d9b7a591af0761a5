//! The official Go client v2 against two shards of ours.

macro_rules! scenarios {
    ($($test:ident => $scenario:literal;)*) => {
        $(
            #[test]
            fn $test() {
                interop::go::passes($scenario);
            }
        )*
    };
}

scenarios! {
    synchronous_sends_create_the_topic_and_are_stored_as_their_results_say => "send-sync";
    asynchronous_sends_get_their_own_results => "send-async";
    one_way_sends_are_all_stored => "send-oneway";
    batches_lie_in_one_queue_in_order => "send-batch";
    a_sharding_key_keeps_orders_in_order => "send-selector";
    a_concurrent_consumer_gets_every_message_once => "push-concurrent";
    an_orderly_consumer_gets_every_queue_in_order => "push-orderly";
    broadcasting_consumers_each_get_everything => "broadcast";
    tag_filters_give_exactly_the_matching_messages => "tags";
    a_pull_consumer_reads_from_chosen_offsets => "pull-from";
    a_pull_consumer_reads_rebalanced_queues => "pull-poll";
    refused_messages_come_again_with_their_count => "retry";
    a_group_resumes_at_its_committed_offset => "resume";
    delay_levels_are_kept => "delayed";
}
