//! What a request that a name server does not serve is told, beside the code for it: why.

use protocol::code::RequestCode;

/// Requests of brokers, tools and controllers to a controller.
const OF_CONTROLLERS: [(i32, i32); 2] = [(1_001, 1_006), (1_009, 1_018)];

/// The remark of the refusal: that of the reference, and the reason where there is one.
pub(crate) fn remark(code: RequestCode) -> String {
    match reason(code) {
        Some(why) => format!(" request type {} not supported: {why}", code.0),
        None => format!(" request type {} not supported", code.0),
    }
}

/// `None` of a number that no release of RocketMQ knows.
fn reason(code: RequestCode) -> Option<&'static str> {
    code.name()?;
    let is_in = |(first, last): &(i32, i32)| (*first..=*last).contains(&code.0);
    Some(match OF_CONTROLLERS.iter().any(is_in) {
        true => "there is no controller: replicas elect their leader themselves",
        false => {
            "this is a name server; brokers, or clients, serve what is not about routes, names and its own settings"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_refused_with_a_reason() {
        for (code, name) in RequestCode::KNOWN {
            assert!(remark(*code).contains(" not supported: "), "{name}");
        }
        assert!(remark(RequestCode(1_005)).ends_with("elect their leader themselves"));
        assert_eq!(remark(RequestCode(9_999)), " request type 9999 not supported");
    }
}
