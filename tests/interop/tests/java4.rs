//! The official Java client, newest 4.9.x, against two shards of ours.

use interop::clients::JavaClient;
use interop::java;

interop::java_scenarios! { JavaClient::V4;
    synchronous_sends_create_the_topic_and_are_stored_as_their_results_say => "send-sync";
    asynchronous_sends_get_their_own_results => "send-async";
    one_way_sends_are_all_stored => "send-oneway";
    batches_lie_in_one_queue_in_order => "send-batch";
    a_selector_by_order_id_keeps_orders_in_order => "send-selector";
    compressed_bodies_come_back_equal => "send-compressed";
    bodies_up_to_four_mebibytes_are_taken_and_larger_ones_refused => "send-large";
    a_concurrent_consumer_gets_every_message_once => "push-concurrent";
    an_orderly_consumer_gets_every_queue_in_order => "push-orderly";
    broadcasting_consumers_each_get_everything => "broadcast";
    a_lite_pull_consumer_reads_assigned_queues_and_seeks => "lite-pull-assign";
    a_lite_pull_consumer_reads_subscribed_queues => "lite-pull-subscribe";
    the_old_pull_api_sees_every_status => "pull-consumer";
    tag_filters_give_exactly_the_matching_messages => "tags";
    queues_move_between_consumers_without_loss_or_repeat => "rebalance";
    queues_move_under_traffic_without_loss => "rebalance-live";
    a_group_resumes_at_its_committed_offset => "resume";
    refused_messages_come_again_with_their_count => "retry";
    messages_refused_too_often_become_dead_letters => "dead-letter";
    offsets_by_end_and_by_time_are_exact => "offsets";
    a_message_is_found_by_its_offset_id => "view-by-id";
    delay_levels_are_kept => "delayed";
    requests_get_their_replies_and_replies_are_stored => "request-reply";
    messages_are_found_by_key_and_unique_key => "query-by-key";
}

#[test]
fn an_idle_consumer_gets_a_message_within_milliseconds() {
    java::passes_alone(JavaClient::V4, "latency");
}
