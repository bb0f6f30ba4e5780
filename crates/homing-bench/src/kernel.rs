//! What the system itself holds for sockets: told apart from the server's memory, which it is not
//! part of.

use std::fs;

use serde::Serialize;

use crate::process::kib;

/// Memory of the system, in bytes.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kernel {
    /// Objects of the kernel's that sockets, files and polls are made of. Only root may read it.
    pub(crate) socket_objects: Option<u64>,
    /// All objects of the kernel's, whatever they are for: other programs disturb this one.
    pub(crate) slab: u64,
    /// Buffers of TCP, of both ends of each connection on this machine.
    pub(crate) tcp_buffers: u64,
}

/// The memory of the system now; what cannot be read is 0.
pub(crate) fn kernel() -> Kernel {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let slabs = fs::read_to_string("/proc/slabinfo").ok();
    Kernel {
        socket_objects: slabs.map(|text| socket_objects(&text)),
        slab: kib(&read("/proc/meminfo"), "Slab:").unwrap_or(0) * 1024,
        tcp_buffers: tcp_pages(&read("/proc/net/sockstat")).unwrap_or(0) * PAGE,
    }
}

impl Kernel {
    /// What one end of a connection cost, when `before` was read with `connections` fewer, and both
    /// ends of each are on this machine.
    pub(crate) fn per_end(&self, before: &Self, connections: usize) -> PerEnd {
        let ends = (2 * connections) as f64;
        let share = |now: u64, before: u64| (now as f64 - before as f64) / ends;
        PerEnd {
            socket_objects: self
                .socket_objects
                .zip(before.socket_objects)
                .map(|(now, before)| share(now, before).round()),
            slab: share(self.slab, before.slab).round(),
            tcp_buffers: share(self.tcp_buffers, before.tcp_buffers).round(),
        }
    }
}

/// Bytes of the kernel's for one end of a connection.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct PerEnd {
    pub(crate) socket_objects: Option<f64>,
    pub(crate) slab: f64,
    pub(crate) tcp_buffers: f64,
}

fn socket_objects(text: &str) -> u64 {
    let size = |line: &str| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?;
        let active: u64 = fields.next()?.parse().ok()?;
        let bytes: u64 = fields.nth(1)?.parse().ok()?;
        SLABS.contains(&name).then_some(active * bytes)
    };
    text.lines().filter_map(size).sum()
}

fn tcp_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
}

/// The kinds of objects that an open socket in a poll consists of.
const SLABS: [&str; 7] =
    ["TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq", "ep_head"];
const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_sockets_are_counted_with_their_size() {
        let text = "slabinfo - version: 2.1\n\
                    # name <active_objs> <num_objs> <objsize> <objperslab>\n\
                    TCP      10  12  2560  12  8 : tunables 0 0 0 : slabdata 1 1 0\n\
                    TCPv6    99  99  2560  12  8 : tunables 0 0 0 : slabdata 1 1 0\n\
                    filp      5   5   200  12  8 : tunables 0 0 0 : slabdata 1 1 0\n";
        assert_eq!(socket_objects(text), 10 * 2560 + 5 * 200);
    }

    #[test]
    fn buffers_of_tcp_are_counted_in_pages() {
        let text = "sockets: used 25\nTCP: inuse 2 orphan 0 tw 142 alloc 2 mem 34\nUDP: mem 9\n";
        assert_eq!(tcp_pages(text), Some(34));
    }
}
