//! `tuning/apply.sh`, `check.sh` and `revert.sh`, run against a tree that looks like a machine.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A user with no rights of its own, for what must work without root.
const NOBODY: u32 = 65534;
const SWAPPINESS: &str = "proc/sys/vm/swappiness";
const QUEUE: &str = "sys/block/nvme0n1/queue";

/// A machine as it comes: every knob that the scripts know, none as they want it.
struct Machine {
    folder: TempDir,
}

/// What a script said and how it ended.
struct Said {
    code: i32,
    out: String,
    error: String,
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuning")
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap(), out: text(&output.stdout), error: text(&output.stderr) }
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for (path, text) in [
            (SWAPPINESS, "60"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "never"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "schedutil"),
            (&format!("{QUEUE}/scheduler"), "mq-deadline"),
            (&format!("{QUEUE}/nr_requests"), "512"),
            (&format!("{QUEUE}/read_ahead_kb"), "8192"),
            (&format!("{QUEUE}/rotational"), "0"),
            ("proc/irq/0/smp_affinity_list", "0"),
            ("proc/irq/41/smp_affinity_list", "3"),
            ("proc/irq/42/smp_affinity_list", "0-1"),
            ("etc/sysctl.d/10-other.conf", "vm.dirty_ratio = 10"),
        ] {
            machine.write(path, text);
        }
        fs::create_dir_all(machine.path("var/lib")).unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap().trim().to_owned()
    }

    /// Every file and folder with what is in it.
    fn tree(&self) -> BTreeMap<PathBuf, Option<String>> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                if path.is_dir() {
                    tree.insert(name, None);
                    folders.push(path);
                } else {
                    tree.insert(name, Some(fs::read_to_string(path).unwrap()));
                }
            }
        }
        tree
    }

    fn command(&self, script: &str, arguments: &str) -> Command {
        let mut command = Command::new(scripts().join(script));
        command.env("TUNING_ROOT", self.folder.path()).args(arguments.split_whitespace());
        command.stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, script: &str, arguments: &str) -> Said {
        said(&self.command(script, arguments).output().unwrap())
    }

    /// Runs a script that has to end well, and returns what it printed.
    fn done(&self, script: &str, arguments: &str) -> String {
        let said = self.run(script, arguments);
        assert_eq!((said.code, said.error.as_str()), (0, ""), "{script} {arguments}\n{}", said.out);
        said.out
    }
}

const ALL: &str = "--yes --device nvme0n1 --irq-cpus 0-1";

#[test]
fn what_is_applied_checks_applies_to_nothing_more_and_reverts_to_the_very_same_machine() {
    let machine = Machine::new();
    let before = machine.tree();
    assert_eq!(machine.run("check.sh", "--device nvme0n1 --irq-cpus 0-1").code, 1);
    assert_eq!(machine.tree(), before, "a check changes nothing");

    let shown = machine.done("apply.sh", ALL);
    for change in [
        "vm.swappiness: 60 -> 10",
        "/sys/kernel/mm/transparent_hugepage/enabled: never -> madvise",
        "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor: schedutil -> performance",
        "/sys/block/nvme0n1/queue/scheduler: mq-deadline -> none",
        "/sys/block/nvme0n1/queue/read_ahead_kb: 8192 -> 128",
        "/proc/irq/41/smp_affinity_list: 3 -> 0-1",
        "/etc/sysctl.d/90-turbopump.conf: no file -> as sysctl.d/90-turbopump.conf",
    ] {
        assert!(shown.contains(change), "{change} is missing in\n{shown}");
    }
    assert!(!shown.contains("irq/0/") && !shown.contains("irq/42/"), "the timer stays, 0-1 is 0-1 already:\n{shown}");
    assert_eq!(machine.read(SWAPPINESS), "10");
    assert_eq!(machine.read(&format!("{QUEUE}/nr_requests")), "512");
    let kept = machine.read("etc/tmpfiles.d/90-turbopump.conf");
    assert!(kept.contains("w /sys/block/nvme0n1/queue/scheduler - - - - none"), "{kept}");
    let installed = fs::read_to_string(scripts().join("limits.d/90-turbopump.conf")).unwrap();
    assert_eq!(machine.read("etc/security/limits.d/90-turbopump.conf"), installed.trim());

    let applied = machine.tree();
    assert!(!machine.done("check.sh", "").contains("differs"), "without options it looks at what the last apply set");
    assert_eq!(machine.done("apply.sh", "--yes"), "Nothing to change.\n");
    assert_eq!(machine.done("apply.sh", ALL), "Nothing to change.\n");
    assert_eq!(machine.tree(), applied);

    let shown = machine.done("revert.sh", "--yes");
    assert!(shown.contains("vm.swappiness: 10 -> 60"), "{shown}");
    assert_eq!(machine.tree(), before);
    assert_eq!(machine.done("revert.sh", "--yes"), "Nothing to take back.\n");
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_dry_run_shows_all_and_touches_nothing() {
    let machine = Machine::new();
    let before = machine.tree();
    let shown = machine.done("apply.sh", "--dry-run --device nvme0n1");
    assert!(
        shown.contains("vm.swappiness: 60 -> 10") && shown.ends_with("Nothing was changed: --dry-run.\n"),
        "{shown}"
    );
    assert_eq!(machine.tree(), before);
    machine.done("apply.sh", ALL);
    let applied = machine.tree();
    let shown = machine.done("revert.sh", "--dry-run");
    assert!(shown.contains("vm.swappiness: 10 -> 60"), "{shown}");
    assert_eq!(machine.tree(), applied);
}

#[test]
fn without_a_word_of_consent_nothing_is_changed() {
    let machine = Machine::new();
    let before = machine.tree();
    let said = machine.run("apply.sh", "");
    assert_eq!(said.code, 1);
    assert!(said.error.contains("--yes"), "{}", said.error);
    assert_eq!(machine.tree(), before);
}

#[test]
fn the_first_values_are_the_ones_to_go_back_to() {
    let machine = Machine::new();
    let before = machine.tree();
    machine.done("apply.sh", "--yes");
    // Somebody else sets it, and it is applied again: the value from between is not what was there before Turbopump.
    machine.write(SWAPPINESS, "30");
    assert!(machine.done("apply.sh", "--yes").contains("vm.swappiness: 30 -> 10"));
    machine.done("apply.sh", ALL);
    machine.done("revert.sh", "--yes");
    assert_eq!(machine.tree(), before);
}

#[test]
fn files_that_were_there_before_come_back() {
    let machine = Machine::new();
    machine.write("etc/sysctl.d/90-turbopump.conf", "vm.swappiness = 5");
    machine.write("etc/security/limits.d/90-turbopump.conf", "* - nofile 9");
    let before = machine.tree();
    assert!(
        machine.done("apply.sh", "--yes").contains("90-turbopump.conf: another file -> as sysctl.d/90-turbopump.conf")
    );
    machine.done("revert.sh", "--yes");
    assert_eq!(machine.tree(), before);
}

#[test]
fn half_of_an_apply_is_finished_by_the_next_or_taken_back() {
    let reference = Machine::new();
    reference.done("apply.sh", ALL);
    let state = reference.read("var/lib/turbopump-tuning/state");
    let lines: Vec<String> =
        state.lines().map(|line| line.replace(reference.folder.path().to_str().unwrap(), "ROOT")).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    // Ended after any of its lines: that knob is written down and not changed yet, those before it are changed.
    for ended_after in 0..lines.len() {
        for again in [true, false] {
            let machine = Machine::new();
            let before = machine.tree();
            let root = machine.folder.path().to_str().unwrap();
            fs::create_dir_all(machine.path("var/lib/turbopump-tuning")).unwrap();
            let half: Vec<String> = lines[..=ended_after].iter().map(|line| line.replace("ROOT", root)).collect();
            fs::write(machine.path("var/lib/turbopump-tuning/state"), half.join("\n") + "\n").unwrap();
            for line in &half[..ended_after] {
                let fields: Vec<&str> = line.split('\t').collect();
                match fields[0] {
                    "folder" => fs::create_dir(fields[1]).unwrap(),
                    "file" => fs::write(fields[1], "ours\n").unwrap(),
                    _ if fields[1].ends_with("nr_requests") => {}
                    _ => fs::write(fields[1], "changed\n").unwrap(),
                }
            }
            if again {
                machine.done("apply.sh", ALL);
                assert_eq!(machine.read(SWAPPINESS), "10");
                assert!(!machine.done("check.sh", "").contains("differs"));
            }
            machine.done("revert.sh", "--yes");
            assert_eq!(machine.tree(), before, "ended after line {ended_after}, applied again: {again}");
        }
    }
}

/// A file that even its reader must not write.
fn refuse(machine: &Machine, path: &str) {
    fs::set_permissions(machine.path(path), fs::Permissions::from_mode(0o444)).unwrap();
}

/// Root writes whatever the mode says, so as root the scripts run as nobody on a tree that is nobody's, but for `refused`.
fn as_somebody(machine: &Machine, script: &str, arguments: &str, refused: &str) -> Said {
    let mut command = machine.command(script, arguments);
    if rustix::process::geteuid().is_root() {
        chown(machine.folder.path(), Some(NOBODY), None).unwrap();
        for path in machine.tree().keys().filter(|path| *path != Path::new(refused)) {
            chown(machine.folder.path().join(path), Some(NOBODY), None).unwrap();
        }
        command.uid(NOBODY);
    }
    said(&command.output().unwrap())
}

#[test]
fn an_interrupt_that_its_driver_keeps_is_said_once_and_asked_for_no_more() {
    let machine = Machine::new();
    let before = machine.tree();
    let path = "proc/irq/41/smp_affinity_list";
    refuse(&machine, path);
    let said = as_somebody(&machine, "apply.sh", ALL, path);
    assert_eq!(said.code, 0, "{}{}", said.out, said.error);
    assert!(said.out.contains("/proc/irq/41/smp_affinity_list: its driver keeps it on 3"), "{}", said.out);
    assert_eq!(as_somebody(&machine, "apply.sh", ALL, path).out, "Nothing to change.\n");
    assert_eq!(as_somebody(&machine, "check.sh", "", path).code, 0);
    assert_eq!(as_somebody(&machine, "revert.sh", "--yes", path).code, 0);
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_setting_that_is_refused_fails_the_run_and_the_rest_is_done_and_reverted() {
    let machine = Machine::new();
    let before = machine.tree();
    refuse(&machine, SWAPPINESS);
    let said = as_somebody(&machine, "apply.sh", "--yes", SWAPPINESS);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("vm.swappiness: the kernel does not take 10, it is still 60"), "{}", said.error);
    assert_eq!(machine.read("sys/kernel/mm/transparent_hugepage/enabled"), "madvise");
    let said = as_somebody(&machine, "revert.sh", "--yes", SWAPPINESS);
    assert_eq!(said.code, 0, "{}", said.error);
    assert_eq!(machine.tree(), before);
}

#[test]
fn what_cannot_be_taken_back_is_kept_for_the_next_run() {
    let machine = Machine::new();
    let before = machine.tree();
    machine.done("apply.sh", "--yes");
    refuse(&machine, SWAPPINESS);
    let said = as_somebody(&machine, "revert.sh", "--yes", SWAPPINESS);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("vm.swappiness: could not be set back to 60"), "{}", said.error);
    fs::set_permissions(machine.path(SWAPPINESS), fs::Permissions::from_mode(0o644)).unwrap();
    machine.done("revert.sh", "--yes");
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_state_that_names_other_files_is_not_believed() {
    let machine = Machine::new();
    machine.write("etc/passwd", "root");
    machine.done("apply.sh", "--yes");
    let state = machine.path("var/lib/turbopump-tuning/state");
    let root = machine.folder.path().display();
    for line in [format!("file\t{root}/etc/passwd\t"), format!("value\t{root}/proc/sys/../../etc/passwd\tx")] {
        let text = fs::read_to_string(&state).unwrap();
        fs::write(&state, format!("{text}{line}\n")).unwrap();
        let said = machine.run("revert.sh", "--yes");
        assert_eq!(said.code, 1);
        assert!(said.error.contains("a line that apply.sh does not write"), "{}", said.error);
        assert_eq!(machine.read(SWAPPINESS), "10", "nothing was taken back yet");
        fs::write(&state, text).unwrap();
    }
    assert_eq!(machine.read("etc/passwd"), "root");
}

#[test]
fn of_a_list_of_choices_the_marked_one_counts_and_one_that_is_missing_is_left_alone() {
    let machine = Machine::new();
    machine.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
    machine.write(&format!("{QUEUE}/scheduler"), "none [mq-deadline] kyber");
    let shown = machine.done("apply.sh", "--dry-run --device nvme0n1");
    assert!(shown.contains("scheduler: mq-deadline -> none"), "{shown}");
    assert!(!shown.contains("hugepage"), "always is fine as well: {shown}");
    machine.write(&format!("{QUEUE}/scheduler"), "[mq-deadline] kyber");
    assert!(!machine.done("apply.sh", "--dry-run --device nvme0n1").contains("scheduler"));
}

#[test]
fn a_disk_that_turns_or_is_virtual_keeps_a_scheduler_that_sorts() {
    let machine = Machine::new();
    machine.write(&format!("{QUEUE}/rotational"), "1");
    assert!(!machine.done("apply.sh", "--dry-run --device nvme0n1").contains("scheduler"));
    machine.write("sys/block/vda/queue/scheduler", "mq-deadline");
    machine.write("sys/block/vda/queue/rotational", "0");
    assert!(!machine.done("apply.sh", "--dry-run --device vda").contains("scheduler"));
}

#[test]
fn the_disks_below_a_partition_and_below_a_volume_are_found() {
    let machine = Machine::new();
    let sys = |path: &str| machine.path("sys").join(path);
    for path in ["devices/sda/sda1", "devices/sda/queue", "devices/dm-0/slaves", "devices/dm-0/queue", "class/block"] {
        fs::create_dir_all(sys(path)).unwrap();
    }
    fs::write(sys("devices/sda/sda1/partition"), "1\n").unwrap();
    for (name, device) in [("sda", "sda"), ("sda1", "sda/sda1"), ("dm-0", "dm-0")] {
        std::os::unix::fs::symlink(sys("devices").join(device), sys("class/block").join(name)).unwrap();
    }
    fs::create_dir(sys("devices/dm-0/slaves/sda1")).unwrap();
    let script = ". \"$KNOBS\"; for name in sda sda1 dm-0; do disks_of_device $name; done";
    let mut command = Command::new("sh");
    command.args(["-euc", script]).env("KNOBS", scripts().join("knobs.sh")).env("TUNING_ROOT", machine.folder.path());
    assert_eq!(said(&command.output().unwrap()).out, "sda\nsda\nsda\n");
}

#[test]
fn wrong_options_say_so_and_change_nothing() {
    let machine = Machine::new();
    let before = machine.tree();
    for (script, arguments, why) in [
        ("apply.sh", "--fast", "unknown option --fast"),
        ("apply.sh", "--device sdz", "--device sdz: there is no"),
        ("apply.sh", "--irq-cpus 0;1", "a list of processors"),
        ("check.sh", "--store", "--store needs a folder"),
        ("revert.sh", "--device nvme0n1", "means nothing to it"),
    ] {
        let said = machine.run(script, arguments);
        assert_eq!(said.code, 2, "{script} {arguments}");
        assert!(said.error.contains(why), "{}", said.error);
    }
    assert!(machine.done("apply.sh", "--help").contains("--irq-cpus LIST"));
    assert_eq!(machine.tree(), before);
}

#[test]
fn a_user_without_rights_is_told_to_become_root_and_may_check_and_try() {
    let as_nobody = |script: &str, arguments: &[&str]| {
        let mut command = Command::new(scripts().join(script));
        command.args(arguments).env_remove("TUNING_ROOT").stdin(std::process::Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY);
        }
        said(&command.output().unwrap())
    };
    let refused = as_nobody("apply.sh", &["--yes"]);
    assert_eq!(refused.code, 1);
    assert!(refused.error.contains("run it as root, as sudo tuning/apply.sh"), "{}", refused.error);
    assert!(as_nobody("revert.sh", &["--yes"]).error.contains("run it as root, as sudo tuning/revert.sh"));
    assert_eq!(as_nobody("apply.sh", &["--dry-run"]).code, 0);
    assert!([0, 1].contains(&as_nobody("check.sh", &[]).code));
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let mut command = Command::new("shellcheck");
    command.args(["-x", "-a", "apply.sh", "check.sh", "revert.sh"]).current_dir(scripts());
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{error}: install shellcheck (Debian: apt-get install shellcheck)"));
    assert!(output.status.success(), "{}", said(&output).out);
}
