//! What is to happen, ordered by time and, at one time, by the order it was asked for.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use bytes::Bytes;
use homing_core::client::{self, AskId, Hint};

use super::disk::Lane;
use super::network::LinkId;
use crate::fact::DeviceNo;

/// Something that will happen in the world.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// The client's wake-up, if it is still the one that is armed.
    Timer(DeviceNo, u64),
    /// The user does something.
    Act(DeviceNo),
    /// The app's server hands out a new credential.
    FreshCredential(DeviceNo),
    /// The app's provider answers; of this run of the process.
    Provides(DeviceNo, u32, AskId),
    /// The first job of this lane is through; of this run of the process.
    Disk(DeviceNo, u32, Lane),
    /// A tampered event arrives at the app.
    LateEvent(DeviceNo, u32, Box<client::Event>),
    /// A connection attempt arrives at the server.
    Arrives(LinkId),
    /// The client learns that the connection is there.
    Opens(LinkId),
    /// Bytes arrive at the server.
    Up(LinkId, Bytes),
    /// Bytes arrive at the client.
    Down(LinkId, Bytes),
    /// The client learns that the connection is gone.
    ClientLost(LinkId),
    /// The server learns that the connection is gone.
    ServerLost(LinkId),
    /// The wake-up of a server connection, if it is still the one that is armed.
    ServerTimer(LinkId, u64),
    /// The server's writer has its batch on disk; of this run of the server.
    Commit(u32),
    /// The server starts.
    ServerStarts,
    /// The server, draining, stops.
    ServerStops(u32),
    /// The next fault.
    Weather,
    /// The fault is over.
    Clears(Fault),
    /// The device tells its client something.
    Hint(DeviceNo, Hint),
    /// Faults end for good.
    Calm,
    /// Everybody who is signed in says something.
    Probe,
    /// The world ends.
    End,
}

/// A fault that lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The device has no way to the server.
    Route(DeviceNo),
    /// The device sleeps.
    Asleep(DeviceNo),
    /// The process is gone.
    Dead(DeviceNo),
    /// The disk is full.
    DiskFull(DeviceNo),
    /// Another process holds the device's data directory.
    DiskHeld(DeviceNo),
    /// The disk is slow.
    DiskSlow(DeviceNo),
    /// The way is slow.
    RouteSlow(DeviceNo),
    /// Nobody reaches the server.
    Unreachable,
    /// The user is banned.
    Ban(usize),
}

/// The one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Slot>>,
    order: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    at: u64,
    order: u64,
    due: Due,
}

impl Queue {
    pub(super) fn push(&mut self, at: u64, due: Due) {
        self.order += 1;
        self.heap.push(Reverse(Slot { at, order: self.order, due }));
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(slot)| slot.at)
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Due)> {
        self.heap.pop().map(|Reverse(slot)| (slot.at, slot.due))
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
