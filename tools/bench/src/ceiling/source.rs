//! Where looks at a broker's machine come from.

use std::net::TcpListener;
use std::time::Duration;

use host::{HostSample, ProcessSample};

use super::error::CeilingError;
use super::host_figures::THIS_MACHINE;
use super::http_source::HttpSource;
use crate::report::Broker;
use host::BrokerSample;

/// A look that takes longer is none.
pub const LOOK_MAX: Duration = Duration::from_secs(3);

/// A broker's machine that can be looked at.
pub trait Source: Send {
    /// For reports and errors: [`THIS_MACHINE`], or the endpoint.
    fn name(&self) -> String;

    /// Whether it is the machine that the load runs on, too.
    fn is_here(&self) -> bool;

    /// Looks at it, in at most [`LOOK_MAX`].
    ///
    /// # Errors
    /// Why not, and what to look at.
    fn look(&mut self) -> Result<BrokerSample, String>;
}

/// This machine, with a broker's process if its number is known.
#[derive(Debug, Clone, Copy)]
pub struct LocalSource {
    /// The broker's process id.
    pub pid: Option<u32>,
}

impl Source for LocalSource {
    fn name(&self) -> String {
        THIS_MACHINE.to_owned()
    }

    fn is_here(&self) -> bool {
        true
    }

    fn look(&mut self) -> Result<BrokerSample, String> {
        let host = HostSample::gather().map_err(|error| error.to_string())?;
        let process = self.pid.map(ProcessSample::gather).transpose().map_err(|error| error.to_string())?;
        Ok(BrokerSample { host, process, shards: Vec::new() })
    }
}

/// Who says what is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceChoice {
    /// Endpoints that were named; if there are any, nothing else is looked at.
    pub endpoints: Vec<String>,
    /// The broker's process id on this machine.
    pub pid: Option<u32>,
    /// Search without looking at machines that cannot be seen.
    pub may_be_unsampled: bool,
}

/// Where a broker's endpoint is unless its configuration says otherwise: the first of these that is free.
const ENDPOINT_PORTS: std::ops::Range<u16> = 5557..5573;

/// The endpoint of the broker that runs here as process `pid`, if it is where one looks for it.
fn endpoint_of(pid: u32, ports: impl Iterator<Item = u16>) -> Option<HttpSource> {
    let mut sources = ports.filter_map(|port| HttpSource::new(&format!("http://127.0.0.1:{port}/host")).ok());
    let is_its = |sample: BrokerSample| sample.process.is_some_and(|process| process.pid == pid);
    sources.find_map(|mut source| source.look().is_ok_and(is_its).then_some(source))
}

/// The sources for `brokers`: the endpoints that were named, else this machine if all brokers run on it, through the endpoint of
/// their process where it has one.
///
/// # Errors
/// [`CeilingError::Unsampled`] if one runs elsewhere and nobody said how to look at it.
pub fn choose(choice: &SourceChoice, brokers: &[Broker]) -> Result<Vec<Box<dyn Source>>, CeilingError> {
    if !choice.endpoints.is_empty() {
        let open = |url: &String| HttpSource::new(url).map(|source| Box::new(source) as Box<dyn Source>);
        let failed = |(url, cause)| CeilingError::Sample { target: url, cause };
        return choice.endpoints.iter().map(|url| open(url).map_err(|cause| failed((url.clone(), cause)))).collect();
    }
    match brokers.iter().find(|broker| !is_local(&broker.address)) {
        None => {
            let process_of =
                |broker: &Broker| host::listening_process(broker.address.rsplit_once(':')?.1.parse().ok()?);
            let pid = choice.pid.or_else(|| process_of(brokers.first()?));
            // Only the broker itself can tell what its shards hold and how much they work.
            let is_one_process = brokers.iter().all(|broker| process_of(broker) == pid);
            match pid.filter(|_| is_one_process).and_then(|pid| endpoint_of(pid, ENDPOINT_PORTS)) {
                Some(endpoint) => Ok(vec![Box::new(endpoint)]),
                None => Ok(vec![Box::new(LocalSource { pid })]),
            }
        }
        Some(_) if choice.may_be_unsampled => Ok(Vec::new()),
        Some(broker) => Err(CeilingError::Unsampled { name: broker.name.clone(), address: broker.address.clone() }),
    }
}

/// Whether an address as `10.0.0.5:10911` is this machine's: only one's own addresses can be bound.
pub(super) fn is_local(address: &str) -> bool {
    let Some((host, _)) = address.rsplit_once(':') else { return false };
    TcpListener::bind((host.trim_matches(['[', ']']), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::http_source::tests::{ok, serve};
    use super::*;

    fn broker(address: &str) -> Broker {
        Broker { name: "broker-a".into(), address: address.into(), queues: 1 }
    }

    #[test]
    fn a_broker_on_this_machine_is_looked_at_directly() {
        // Nobody listens there, so that it is nobody's endpoint that is found.
        let sources = choose(&SourceChoice::default(), &[broker("127.0.0.1:1")]).unwrap();
        assert_eq!(sources.iter().map(|source| source.name()).collect::<Vec<_>>(), ["this machine"]);
    }

    #[test]
    fn the_endpoint_of_a_process_is_the_one_that_says_so() {
        let serve_process = |pid: u32| {
            let (url, served) = serve(ok(&format!(r#"{{"host": {{"at_us": 7}}, "process": {{"pid": {pid}}}}}"#)));
            (url.rsplit_once(':').unwrap().1.parse::<u16>().unwrap(), served)
        };
        let ((other, first), (own, second)) = (serve_process(7), serve_process(8));
        let found = endpoint_of(8, [1, other, own].into_iter()).unwrap();
        assert_eq!(found.name(), format!("http://127.0.0.1:{own}/host"));
        first.join().unwrap();
        second.join().unwrap();
        assert!(endpoint_of(8, [1].into_iter()).is_none());
    }

    #[test]
    fn a_broker_elsewhere_needs_somebody_to_say_how_to_look_at_it() {
        // From TEST-NET-1: an address that no machine has.
        let elsewhere = [broker("127.0.0.1:10911"), broker("192.0.2.1:10911")];
        let error = choose(&SourceChoice::default(), &elsewhere).err().unwrap().to_string();
        assert!(error.contains("192.0.2.1:10911") && error.contains("--sample"), "{error}");
        let unsampled = SourceChoice { may_be_unsampled: true, ..Default::default() };
        assert!(choose(&unsampled, &elsewhere).unwrap().is_empty());
        let named = SourceChoice { endpoints: vec!["http://192.0.2.1:5557/host".into()], ..Default::default() };
        let sources = choose(&named, &elsewhere).unwrap();
        assert_eq!(sources.iter().map(|source| source.name()).collect::<Vec<_>>(), ["http://192.0.2.1:5557/host"]);
    }

    #[test]
    fn this_machine_can_be_looked_at_with_and_without_a_process() {
        let own = LocalSource { pid: Some(std::process::id()) }.look().unwrap();
        assert_eq!(own.process.map(|process| process.pid), Some(std::process::id()));
        assert_eq!(LocalSource { pid: None }.look().unwrap().process, None);
        let error = LocalSource { pid: Some(u32::MAX) }.look().unwrap_err();
        assert!(error.contains("4294967295"), "{error}");
    }
}
