//! Charts of what a machine did over time.

use host::{DiskRates, HostRates};
use maud::{Markup, html};

use super::axis::{Axis, Scale};
use super::chart::Chart;
use super::quantity::Quantity;

/// A machine between two looks.
pub(super) struct Look<'a> {
    /// Seconds from the beginning.
    pub(super) second: f64,
    pub(super) rates: &'a HostRates,
}

/// CPU, disk, network and memory of a machine over time. `disk` is the one to show; without a name, the one that was
/// busiest at any time.
pub(super) fn charts(looks: &[Look<'_>], disk: Option<&str>) -> Markup {
    let disk = disk.or_else(|| busiest_disk(looks));
    let of_disk = |of: fn(&DiskRates) -> f64| {
        let look = move |look: &Look<'_>| Some((look.second, of(look.rates.disk(disk?)?)));
        looks.iter().filter_map(look).collect::<Vec<_>>()
    };
    let of = |of: fn(&HostRates) -> f64| looks.iter().map(|look| (look.second, of(look.rates))).collect::<Vec<_>>();
    let name = disk.unwrap_or("no disk");
    html! {
        (over_time("CPU", share("busy share"))
            .line("all processors", of(|rates| rates.cpu))
            .line("busiest core", of(|rates| rates.busiest_core().map_or(0.0, |core| core.busy)))
            .line("waiting for a disk (iowait)", of(|rates| rates.iowait))
            .line("stolen by the hypervisor", of(|rates| rates.steal).into_iter().filter(|point| point.1 > 0.0))
            .render())
        (over_time("Load average", Axis::new("tasks, mean of a minute", Quantity::Count, Scale::Linear))
            .line("1 minute", of(|rates| rates.load[0]))
            .render())
        (over_time(&format!("Disk {name}: busy"), share("busy share")).line("busy", of_disk(|disk| disk.busy)).render())
        (over_time(&format!("Disk {name}: time of a request"), Axis::new("time of a request", Quantity::Milliseconds, Scale::Linear))
            .line("reads and writes", of_disk(|disk| disk.await_ms))
            .line("writes", of_disk(|disk| disk.write_await_ms))
            .render())
        (over_time(&format!("Disk {name}: throughput"), Axis::new("bytes", Quantity::BytesPerSecond, Scale::Linear))
            .line("written", of_disk(|disk| disk.written_bytes))
            .line("read", of_disk(|disk| disk.read_bytes))
            .render())
        (over_time(&format!("Disk {name}: requests"), Axis::new("requests", Quantity::PerSecond, Scale::Linear))
            .line("writes", of_disk(|disk| disk.writes))
            .line("reads", of_disk(|disk| disk.reads))
            .line("flushes", of_disk(|disk| disk.flushes))
            .render())
        (over_time("Network", Axis::new("bytes", Quantity::BytesPerSecond, Scale::Linear))
            .line("received", of(|rates| rates.links().map(|link| link.received_bytes).sum()))
            .line("sent", of(|rates| rates.links().map(|link| link.sent_bytes).sum()))
            .line("loopback", of(loopback))
            .render())
        (over_time("Network: lost packets", Axis::new("packets since the look before", Quantity::Count, Scale::Linear))
            .line("dropped", of(|rates| rates.links().map(|link| link.drops as f64).sum()))
            .line("failed", of(|rates| rates.links().map(|link| link.errors as f64).sum()))
            .render())
        (over_time("Memory of the machine", Axis::new("bytes", Quantity::Bytes, Scale::Linear))
            .line("in use", of(|rates| rates.memory.used_bytes() as f64))
            .line("page cache", of(|rates| rates.memory.cached_bytes as f64))
            .render())
    }
}

/// A chart whose x axis is time.
pub(super) fn over_time(title: &str, y: Axis) -> Chart {
    Chart::new(title, Axis::new("time in seconds", Quantity::Seconds, Scale::Linear), y)
}

/// An axis of shares, to 100 %.
pub(super) fn share(label: &str) -> Axis {
    Axis::new(label, Quantity::Share, Scale::Linear).reaching(1.0)
}

fn loopback(rates: &HostRates) -> f64 {
    rates.networks.iter().filter(|net| net.is_loopback()).map(|net| net.sent_bytes).sum()
}

/// The whole disk that was busiest at any look.
fn busiest_disk<'a>(looks: &[Look<'a>]) -> Option<&'a str> {
    let busiest = looks.iter().filter_map(|look| look.rates.busiest_disk());
    busiest.max_by(|left, right| left.busy.total_cmp(&right.busy)).map(|disk| disk.name.as_str())
}
