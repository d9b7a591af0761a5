//! From mqbench's report to what is compared.

use bench::RunReport;
use bench::plan::Work;
use bench::report::{EndedBy, Side as LoadSide};

use crate::error::CompareError;
use crate::figure::Figure;
use crate::record::Measurement;

/// A rate that is missed by more is remarked on.
const RATE_SHORTFALL_MAX: f64 = 0.01;
/// The remark on a run that was ended from outside.
pub const STOPPED: &str = "stopped before its time";

/// Puts what a report says into a measurement. The main latency is that of the receivers where there are some.
/// # Errors
/// [`CompareError::NoFigure`]: the report has no side, or no message.
pub fn take(report: &RunReport, measurement: &mut Measurement) -> Result<(), CompareError> {
    let missing = |what| CompareError::NoFigure { name: format!("mqbench in case {}", measurement.case), what };
    let side = report.receives.as_ref().or(report.sends.as_ref()).ok_or_else(|| missing("side"))?;
    if side.messages == 0 {
        return Err(missing("message"));
    }
    let percentiles = side.latency.percentiles;
    let figures = &mut measurement.figures;
    figures.insert(Figure::MessagesPerSecond, side.messages_per_second);
    for (figure, us) in [
        (Figure::P50Us, percentiles.p50_us),
        (Figure::P99Us, percentiles.p99_us),
        (Figure::P999Us, percentiles.p99_9_us),
        (Figure::P9999Us, percentiles.p99_99_us),
        (Figure::MaxUs, percentiles.max_us),
    ] {
        figures.insert(figure, us as f64);
    }
    if let (Some(sends), Some(_)) = (&report.sends, &report.receives) {
        figures.insert(Figure::SendP50Us, sends.latency.percentiles.p50_us as f64);
        figures.insert(Figure::SendP999Us, sends.latency.percentiles.p99_9_us as f64);
    }
    figures.insert(Figure::LoadCpuUs, report.bench.cpu_us_per_message);
    let brokers = &report.broker_processes;
    if !brokers.is_empty() {
        figures.insert(Figure::BrokerCpuUs, brokers.iter().map(|broker| broker.cpu_us_per_message).sum());
        figures.insert(Figure::ResidentBytes, brokers.iter().map(|broker| broker.rss_bytes as f64).sum());
    }
    measurement.failed_requests += report.errors();
    measurement.notes.extend(report.notes.iter().cloned());
    measurement.notes.extend(remarks(report, side));
    measurement.messages_each_second = messages_each_second(report);
    measurement.histogram_v2_deflate_base64 = Some(side.latency.histogram_v2_deflate_base64.clone());
    Ok(())
}

fn remarks(report: &RunReport, side: &LoadSide) -> Vec<String> {
    let mut remarks = Vec::new();
    for error in [&report.sends, &report.receives].into_iter().flatten().flat_map(|side| &side.errors) {
        remarks.push(format!("{} requests failed: {}: {}", error.count, error.name, error.example));
    }
    let asked = match &report.plan.work {
        Work::Produce { producers } | Work::E2e { producers, .. } | Work::Mixed { producers, .. } => producers.rate,
        Work::Consume { .. } => None,
    };
    if let Some(asked) = asked
        && side.messages_per_second < asked * (1.0 - RATE_SHORTFALL_MAX)
    {
        remarks.push(format!("asked for {asked:.0}/s, got {:.0}/s", side.messages_per_second));
    }
    if let Some(undelivered) = report.undelivered.filter(|undelivered| *undelivered > 0) {
        remarks.push(format!("{undelivered} acknowledged messages had not been received at the end"));
    }
    if report.ended_by == EndedBy::Stopped {
        remarks.push(STOPPED.to_owned());
    }
    remarks
}

fn messages_each_second(report: &RunReport) -> Vec<u64> {
    let of = |sample: &bench::report::Sample| sample.receives.or(sample.sends).map_or(0, |side| side.messages);
    report.samples.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sample_report::{end_to_end, produce};
    use crate::side::Side;

    fn taken(report: &RunReport) -> Result<Measurement, CompareError> {
        let mut measurement = Measurement::new("1x64", Side::Turbopump, 1);
        take(report, &mut measurement).map(|()| measurement)
    }

    #[test]
    fn a_sending_run_gives_its_rate_its_latencies_and_the_brokers_cost() {
        let measurement = taken(&produce(80_000, 8.0)).unwrap();
        let figure = |figure| measurement.figures.get(&figure).copied();
        assert_eq!(figure(Figure::MessagesPerSecond), Some(10_000.0));
        assert_eq!(figure(Figure::P50Us), Some(500.0));
        assert_eq!(figure(Figure::MaxUs), Some(1000.0));
        assert_eq!(figure(Figure::BrokerCpuUs), Some(4.0));
        assert_eq!(figure(Figure::LoadCpuUs), Some(2.0));
        assert_eq!(figure(Figure::ResidentBytes), Some(1e8));
        assert_eq!(figure(Figure::SendP50Us), None);
        assert_eq!(measurement.messages_each_second.iter().sum::<u64>(), 80_000);
        assert!(measurement.notes.is_empty(), "{:?}", measurement.notes);
        assert!(measurement.histogram_v2_deflate_base64.is_some());
    }

    #[test]
    fn end_to_end_latencies_are_the_receivers_and_those_of_sends_are_kept_beside() {
        let measurement = taken(&end_to_end(8000, 8.0)).unwrap();
        assert_eq!(measurement.figures[&Figure::P50Us], 2000.0);
        assert_eq!(measurement.figures[&Figure::SendP50Us], 500.0);
    }

    #[test]
    fn a_missed_rate_and_lost_messages_are_remarked_on() {
        let mut report = end_to_end(7000, 8.0);
        report.undelivered = Some(12);
        report.ended_by = EndedBy::Stopped;
        let notes = taken(&report).unwrap().notes.join("; ");
        assert!(notes.contains("asked for 1000/s, got 875/s"), "{notes}");
        assert!(notes.contains("12 acknowledged messages"), "{notes}");
        assert!(notes.contains("stopped before"), "{notes}");
    }

    #[test]
    fn failed_requests_are_counted_and_explained() {
        let mut report = produce(80_000, 8.0);
        let errors = bench::report::ErrorCount {
            code: Some(2),
            name: "SYSTEM_BUSY".to_owned(),
            count: 7,
            example: "full".to_owned(),
        };
        report.sends.as_mut().unwrap().errors.push(errors);
        let measurement = taken(&report).unwrap();
        assert_eq!(measurement.failed_requests, 7);
        assert_eq!(measurement.notes, ["7 requests failed: SYSTEM_BUSY: full"]);
    }

    #[test]
    fn a_report_without_a_message_is_an_error() {
        assert!(matches!(taken(&produce(0, 8.0)), Err(CompareError::NoFigure { what: "message", .. })));
        let mut report = produce(1, 8.0);
        report.sends = None;
        assert!(matches!(taken(&report), Err(CompareError::NoFigure { what: "side", .. })));
    }
}
