//! Looks at a broker's machine through the broker's own endpoint.

use ureq::Agent;

use super::source::{LOOK_MAX, Source, is_local};
use host::BrokerSample;

/// Longest answer that is read: a machine with a thousand processors and disks takes a tenth of it.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A broker's `/host` endpoint.
#[derive(Debug)]
pub(super) struct HttpSource {
    url: String,
    agent: Agent,
}

impl HttpSource {
    /// For an address as `http://10.0.0.5:5557/host`; the path may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(format!("{url:?} does not begin with http://, as in http://10.0.0.5:5557/host"));
        };
        let url = if rest.contains('/') { url.to_owned() } else { format!("{url}/host") };
        // A proxy of the environment is for the world outside, not for brokers.
        let agent = Agent::config_builder().timeout_global(Some(LOOK_MAX)).proxy(None).max_redirects(0).build();
        Ok(Self { url, agent: agent.into() })
    }
}

impl Source for HttpSource {
    fn name(&self) -> String {
        self.url.clone()
    }

    fn is_here(&self) -> bool {
        let authority = self.url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        authority.is_some_and(is_local)
    }

    fn look(&mut self) -> Result<BrokerSample, String> {
        let hint = "is it the address of a broker's metrics endpoint?";
        let mut answer = self.agent.get(&self.url).call().map_err(|error| format!("{error}; {hint}"))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| format!("the answer cannot be read: {error}"))?;
        let sample: BrokerSample = serde_json::from_slice(&body)
            .map_err(|error| format!("the answer is not that of /host ({error}); {hint}"))?;
        if sample.host.at_us == 0 {
            return Err(format!("the answer has no figures of a host; {hint}"));
        }
        Ok(sample)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with `answer` and tells what was asked.
    pub(in crate::ceiling) fn serve(answer: String) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n") {
                let bytes = stream.read(&mut buffer).unwrap();
                assert!(bytes > 0, "the request ended early");
                asked.extend_from_slice(&buffer[..bytes]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, served)
    }

    /// A whole answer with this body.
    pub(in crate::ceiling) fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn the_endpoint_is_asked_for_host_and_its_answer_read() {
        let (url, served) = serve(ok(r#"{"host": {"at_us": 7}, "shards": [{"unwritten_bytes": 3}]}"#));
        let sample = HttpSource::new(&url).unwrap().look().unwrap();
        assert_eq!((sample.host.at_us, sample.queued_bytes()), (7, 3));
        assert!(served.join().unwrap().starts_with("GET /host HTTP/1.1\r\n"));
    }

    #[test]
    fn an_answer_of_somebody_else_is_an_error_with_a_hint() {
        for answer in [ok("<html>"), ok("{}"), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()] {
            let (url, served) = serve(answer);
            let error = HttpSource::new(&url).unwrap().look().unwrap_err();
            assert!(error.contains("metrics endpoint"), "{error}");
            served.join().unwrap();
        }
    }

    #[test]
    fn an_endpoint_of_this_machine_is_known_as_such() {
        assert!(HttpSource::new("http://127.0.0.1:5557/host").unwrap().is_here());
        assert!(!HttpSource::new("http://192.0.2.1:5557/host").unwrap().is_here(), "an address that no machine has");
    }

    #[test]
    fn an_address_without_http_is_refused_with_an_example() {
        let error = HttpSource::new("10.0.0.5:5557").unwrap_err();
        assert!(error.contains("http://10.0.0.5:5557/host"), "{error}");
    }
}
