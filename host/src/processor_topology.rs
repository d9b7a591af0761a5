//! How the processors are made up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::roots::HostRoots;
use crate::sys_file;

/// How many processors there are, by every way of counting. What cannot be told is counted as if each logical
/// processor were a physical one, in one socket and one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessorTopology {
    /// Processors that programs see and that are switched on.
    pub logical: u32,
    /// Cores: two logical processors can be one core (SMT).
    pub physical: u32,
    /// Chips.
    pub sockets: u32,
    /// Memory nodes that have processors.
    pub numa_nodes: u32,
}

impl ProcessorTopology {
    pub(crate) fn read(roots: &HostRoots) -> Self {
        let system = roots.sys.join("devices/system");
        let online = sys_file::text(&system.join("cpu/online")).unwrap_or_default();
        let online = sys_file::number_list(&online);
        // Each core is known by its siblings, each chip by its number: one entry each, whoever names it.
        let different = |file: &str| {
            let of = |cpu: &u32| sys_file::text(&system.join(format!("cpu/cpu{cpu}/topology/{file}")));
            online.iter().filter_map(of).collect::<BTreeSet<_>>().len() as u32
        };
        let with_processors = sys_file::text(&system.join("node/has_cpu")).unwrap_or_default();
        let or = |counted: u32, otherwise: u32| if counted == 0 { otherwise } else { counted };
        let logical = online.len() as u32;
        Self {
            logical,
            physical: or(different("thread_siblings_list"), logical),
            sockets: or(different("physical_package_id"), logical.min(1)),
            numa_nodes: or(sys_file::number_list(&with_processors).len() as u32, logical.min(1)),
        }
    }
}
