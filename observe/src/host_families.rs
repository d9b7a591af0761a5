//! Figures of the machine and of the process as metrics.

use host::{HostSample, ProcessSample};

use crate::Families;

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Adds what the kernel counts of the machine: `turbopump_host_*`.
pub(crate) fn write_host(families: &mut Families, sample: &HostSample) {
    for times in &sample.cores {
        let core = times.core.to_string();
        let modes = [
            ("user", times.user_us),
            ("system", times.system_us),
            ("interrupt", times.interrupt_us),
            ("steal", times.steal_us),
            ("idle", times.idle_us),
            ("iowait", times.iowait_us),
        ];
        for (mode, us) in modes {
            let labels = [("core", core.as_str()), ("mode", mode)];
            let help = "What each processor of the machine spent its time on";
            families.counter("turbopump_host_cpu_seconds_total", help, &labels, seconds(us));
        }
    }
    for (minutes, load) in ["1", "5", "15"].into_iter().zip(sample.load) {
        let help = "Mean number of tasks that ran, wanted to run or waited for a disk";
        families.gauge("turbopump_host_load", help, &[("minutes", minutes)], load);
    }
    write_memory(families, sample);
    write_disks(families, sample);
    write_networks(families, sample);
}

fn write_memory(families: &mut Families, sample: &HostSample) {
    let memory = &sample.memory;
    let kinds = [
        ("total", memory.total_bytes),
        ("available", memory.available_bytes),
        ("free", memory.free_bytes),
        ("cached", memory.cached_bytes),
        ("dirty", memory.dirty_bytes),
        ("writeback", memory.writeback_bytes),
        ("swap_used", memory.swap_used_bytes),
    ];
    for (kind, bytes) in kinds {
        families.gauge("turbopump_host_memory_bytes", "Memory of the machine", &[("kind", kind)], bytes as f64);
    }
}

fn write_disks(families: &mut Families, sample: &HostSample) {
    // What a part or a layer does, its disk does too.
    for disk in sample.disks.iter().filter(|disk| disk.is_whole()) {
        let mut counter = |name, help, operation, value: f64| {
            families.counter(name, help, &[("disk", disk.name.as_str()), ("operation", operation)], value);
        };
        let operations = [
            ("read", disk.reads, disk.read_bytes, disk.read_ms),
            ("write", disk.writes, disk.written_bytes, disk.write_ms),
        ];
        for (operation, count, bytes, ms) in operations {
            counter("turbopump_host_disk_operations_total", "Operations finished", operation, count as f64);
            counter("turbopump_host_disk_bytes_total", "Bytes moved", operation, bytes as f64);
            let help = "Time that all operations took together";
            counter("turbopump_host_disk_operation_seconds_total", help, operation, ms as f64 / 1e3);
        }
        let labels = [("disk", disk.name.as_str())];
        let help = "Time during which at least one operation was under way";
        families.counter("turbopump_host_disk_busy_seconds_total", help, &labels, disk.busy_ms as f64 / 1e3);
        let help = "Operations under way";
        families.gauge("turbopump_host_disk_operations_in_flight", help, &labels, disk.in_flight as f64);
    }
}

fn write_networks(families: &mut Families, sample: &HostSample) {
    for net in &sample.networks {
        let directions =
            [("receive", net.received_bytes, net.received_packets), ("send", net.sent_bytes, net.sent_packets)];
        for (direction, bytes, packets) in directions {
            let labels = [("interface", net.name.as_str()), ("direction", direction)];
            let mut counter = |name, help, value: u64| families.counter(name, help, &labels, value as f64);
            counter("turbopump_host_network_bytes_total", "Bytes over the interface", bytes);
            counter("turbopump_host_network_packets_total", "Packets over the interface", packets);
        }
        let labels = [("interface", net.name.as_str())];
        let help = "Packets dropped for want of room, in both directions";
        families.counter("turbopump_host_network_drops_total", help, &labels, net.drops as f64);
        let help = "Damaged packets and failed sends";
        families.counter("turbopump_host_network_errors_total", help, &labels, net.errors as f64);
        if let Some(mbit) = net.speed_mbit {
            let help = "Speed of the link, bytes a second in each direction";
            families.gauge("turbopump_host_network_speed_bytes", help, &labels, mbit as f64 * 125_000.0);
        }
    }
}

/// Adds what the kernel counts of this process, under the names that Prometheus libraries use. `started` is in seconds
/// since 1970.
pub(crate) fn write_process(families: &mut Families, sample: &ProcessSample, started: f64) {
    let help = "User and system CPU time";
    families.counter("process_cpu_seconds_total", help, &[], seconds(sample.cpu_us));
    let mut gauge = |name, help, value: f64| families.gauge(name, help, &[], value);
    gauge("process_resident_memory_bytes", "Memory that is in RAM", sample.rss_bytes as f64);
    gauge("process_anonymous_memory_bytes", "The part of it that is its own", sample.anonymous_bytes as f64);
    gauge("process_shared_memory_bytes", "The part of it in shared memory", sample.shared_memory_bytes as f64);
    gauge("process_threads", "Threads", sample.threads as f64);
    gauge("process_start_time_seconds", "When it started, since 1970", started);
    if let Some(files) = sample.open_files {
        gauge("process_open_fds", "Open files and sockets", files as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_process_are_shown() {
        let mut families = Families::default();
        write_host(&mut families, &HostSample::gather().unwrap());
        write_process(&mut families, &ProcessSample::gather_own().unwrap(), 1.5);
        let text = String::from_utf8(families.encode()).unwrap();
        for start in [
            "turbopump_host_cpu_seconds_total{core=\"0\",mode=\"user\"} ",
            "turbopump_host_load{minutes=\"15\"} ",
            "turbopump_host_memory_bytes{kind=\"total\"} ",
            "turbopump_host_network_bytes_total{interface=\"lo\",direction=\"send\"} ",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_start_time_seconds 1.5",
            "process_open_fds ",
        ] {
            assert!(text.lines().any(|line| line.starts_with(start)), "{start}: {text}");
        }
    }
}
