//! Many requests over one connection, some hundreds of them under way.

use protocol::command::RemotingCommand;

use crate::raw_client::{RawClient, Received};

/// Requests without their answer at any moment.
const IN_FLIGHT: usize = 500;

/// Sends `count` requests, each made from its number, and hands each answer with the number of its request to `answered`.
///
/// # Panics
/// When the broker closes, or sends anything but answers.
pub fn pipelined(
    client: &mut RawClient,
    count: usize,
    mut request: impl FnMut(usize) -> RemotingCommand,
    mut answered: impl FnMut(usize, RemotingCommand),
) {
    let (mut started, mut done, mut first_opaque) = (0, 0, 0);
    while done < count {
        while started < count && started - done < IN_FLIGHT {
            let opaque = client.start(request(started));
            if started == 0 {
                first_opaque = opaque;
            }
            started += 1;
        }
        match client.receive() {
            Received::Command(answer) => {
                let number = usize::try_from(answer.opaque - first_opaque).ok().filter(|number| *number < started);
                let number = number.unwrap_or_else(|| panic!("nobody asked for {answer:?}"));
                answered(number, answer);
                done += 1;
            }
            Received::Closed => panic!("closed after {done} of {count} answers"),
        }
    }
}

/// As [`pipelined`], where every answer has to be a success.
///
/// # Panics
/// When one is not.
pub fn all_succeed(client: &mut RawClient, count: usize, request: impl FnMut(usize) -> RemotingCommand) {
    pipelined(client, count, request, |number, answer| {
        assert_eq!(answer.code, 0, "request {number} of {count}: {:?}", answer.remark);
    });
}
