//! Faults: which, how often, and how each begins and ends.

use homing_core::client::Hint;
use homing_proto::id::Cursor;

use super::World;
use super::device::Power;
use super::network::{Cut, Notice};
use super::queue::{Due, Fault};
use super::writer::Operator;
use crate::Sabotage;
use crate::fact::{DeviceNo, Fact};

impl World {
    /// One fault befalls the world.
    pub(super) fn fault(&mut self) {
        let device = self.rng.index(self.devices.len());
        match self.rng.below(100) {
            0..22 => self.route_goes(device),
            22..32 => self.connections_die(device),
            32..42 => self.process_dies(device),
            42..52 => self.device_sleeps(device),
            52..60 => self.clock_jumps(device),
            60..65 => self.disk_fills(device),
            65..69 => self.slows(device),
            69..73 => self.store_rots(device),
            73..83 => self.hint(device),
            83..91 => self.server_fails(),
            91..95 => self.server_unreachable(),
            _ => self.operator_acts(),
        }
    }

    /// A fault is over. What is over already stays so.
    pub(super) fn clear(&mut self, fault: Fault) {
        match fault {
            Fault::Route(no) => {
                if !std::mem::replace(&mut self.devices[no.0].route.up, true) {
                    self.weather(&format!("{no:?} has a way again"));
                    if self.rng.percent(70) {
                        self.hint_later(no, Hint::NetworkUp);
                    }
                }
            }
            Fault::Asleep(no) => self.wake(no),
            Fault::Dead(no) => self.restart(no),
            Fault::DiskFull(no) => self.devices[no.0].disk.full = false,
            Fault::DiskHeld(no) => {
                if std::mem::take(&mut self.devices[no.0].disk.held) {
                    self.watch.see(&Fact::HeldByOther(no, false));
                }
            }
            Fault::DiskSlow(no) => self.devices[no.0].disk.latency_ms = self.scene.disk_ms,
            Fault::RouteSlow(no) => {
                let (base_ms, jitter_ms) = self.scene.routes[no.0];
                let route = &mut self.devices[no.0].route;
                (route.base_ms, route.jitter_ms) = (base_ms, jitter_ms);
                self.network.reroute(no, *route);
            }
            Fault::Unreachable => self.network.unreachable = false,
            Fault::Ban(user) => {
                let user = self.scene.users[user].clone();
                self.operate(Operator::Unban(user));
            }
        }
    }

    /// Everything that is not as it should be becomes so.
    pub(super) fn clear_all(&mut self) {
        for index in 0..self.devices.len() {
            let no = DeviceNo(index);
            for fault in [
                Fault::Route(no),
                Fault::DiskFull(no),
                Fault::DiskHeld(no),
                Fault::DiskSlow(no),
                Fault::RouteSlow(no),
                Fault::Asleep(no),
                Fault::Dead(no),
            ] {
                self.clear(fault);
            }
        }
        self.clear(Fault::Unreachable);
        for user in 0..self.scene.users.len() {
            self.clear(Fault::Ban(user));
        }
    }

    pub(super) fn weather(&mut self, what: &str) {
        self.watch.see(&Fact::Weather(what));
    }

    fn route_goes(&mut self, device: usize) {
        let no = DeviceNo(device);
        self.devices[device].route.up = false;
        let notice = self.draw_notice();
        self.weather(&format!("{no:?} loses its way, noticed by {notice:?}"));
        self.cut(Some(no), Cut::BothWays, notice);
        if self.rng.percent(40) {
            self.hint_later(no, Hint::NetworkDown);
        }
        self.clear_later(Fault::Route(no), 500, 240_000);
    }

    fn connections_die(&mut self, device: usize) {
        let cut = *self.rng.pick(&[Cut::Up, Cut::Down, Cut::BothWays, Cut::BothWays]);
        let notice = self.draw_notice();
        let no = DeviceNo(device);
        self.weather(&format!("connections of {no:?} cut {cut:?}, noticed by {notice:?}"));
        self.cut(Some(no), cut, notice);
    }

    fn process_dies(&mut self, device: usize) {
        let power = if self.rng.percent(40) { Power::Goes } else { Power::Stays };
        self.with_device(device, |device, around| device.kill(power, around));
        self.devices[device].asleep = false;
        self.clear_later(Fault::Dead(DeviceNo(device)), 100, 90_000);
    }

    fn device_sleeps(&mut self, device: usize) {
        if self.devices[device].process.is_none() || self.devices[device].asleep {
            return;
        }
        self.devices[device].asleep = true;
        self.watch.see(&Fact::Slept(DeviceNo(device)));
        if self.rng.percent(50) {
            // The network forgets it meanwhile.
            let notice = if self.rng.percent(50) { Notice::Server } else { Notice::Nobody };
            self.cut(Some(DeviceNo(device)), Cut::BothWays, notice);
        }
        self.clear_later(Fault::Asleep(DeviceNo(device)), 1_000, 900_000);
    }

    fn clock_jumps(&mut self, device: usize) {
        let years = self.rng.between(0, 20) as i64 - 10;
        let jump = if self.rng.percent(60) {
            years * YEAR_MS
        } else {
            self.rng.between(0, 7_200_000) as i64 - 3_600_000
        };
        let scaled = jump.saturating_mul(self.options.clock_jumps);
        let base = &mut self.devices[device].wall_base;
        // A device's clock cannot stand before 1970.
        *base = base.saturating_add(scaled).max(0);
        if self.options.sabotage == Some(Sabotage::OneClock) {
            let time = &mut self.devices[device].time_base;
            *time = time.saturating_add_signed(scaled.clamp(0, MOST_OF_ONE_CLOCK_MS));
        }
        if self.options.clock_jumps != 0 {
            self.weather(&format!("{:?} sets its clock by {scaled} ms", DeviceNo(device)));
        }
    }

    fn disk_fills(&mut self, device: usize) {
        if !self.devices[device].disk.is_in_use() && self.rng.percent(50) {
            let no = DeviceNo(device);
            self.devices[device].disk.held = true;
            self.watch.see(&Fact::HeldByOther(no, true));
            self.clear_later(Fault::DiskHeld(no), 500, 60_000);
            return;
        }
        self.devices[device].disk.full = true;
        self.weather(&format!("the disk of {:?} is full", DeviceNo(device)));
        self.clear_later(Fault::DiskFull(DeviceNo(device)), 500, 60_000);
    }

    fn slows(&mut self, device: usize) {
        let no = DeviceNo(device);
        if self.rng.percent(50) {
            self.devices[device].disk.latency_ms = 2_000;
            self.clear_later(Fault::DiskSlow(no), 1_000, 60_000);
        } else {
            self.devices[device].route.base_ms = 1_500;
            self.devices[device].route.jitter_ms = 4_000;
            self.network.reroute(no, self.devices[device].route);
            self.clear_later(Fault::RouteSlow(no), 1_000, 120_000);
        }
        self.weather(&format!("{no:?} becomes slow"));
    }

    fn store_rots(&mut self, device: usize) {
        let disk = &mut self.devices[device].disk;
        let Some((user, store)) = disk.stores.iter().next() else { return };
        let (user, cursor) = (user.clone(), store.cursor);
        if self.rng.percent(30) {
            // A backup of another life: a pair that the server never gave out (I22).
            let Cursor { log_epoch, offset } = cursor.unwrap_or_default();
            let forged = if self.rng.percent(50) {
                Cursor { log_epoch: self.rng.next(), offset }
            } else {
                Cursor { log_epoch, offset: offset + 1_000_000 }
            };
            self.devices[device].disk.forged.push((user, forged));
            return;
        }
        if !self.devices[device].disk.damaged.contains(&user) {
            self.weather(&format!("the store of {user} on {:?} is damaged", DeviceNo(device)));
            self.devices[device].disk.damaged.push(user);
        }
    }

    fn hint(&mut self, device: usize) {
        let hint = *self.rng.pick(&[
            Hint::NetworkUp,
            Hint::NetworkUp,
            Hint::Wake,
            Hint::Foreground,
            Hint::Background,
            Hint::Tap,
        ]);
        self.hint_later(DeviceNo(device), hint);
    }

    fn server_fails(&mut self) {
        if !self.server.up || self.server.is_draining() {
            return;
        }
        if self.rng.percent(40) {
            self.weather("the server drains");
            let window_ms = self.rng.between(500, 10_000) as u32;
            self.with_server(|server, around| server.drain(window_ms, around));
            let stop = self.now + self.rng.between(50, 2_000);
            self.queue.push(stop, Due::ServerStops(self.server.incarnation));
        } else {
            self.weather("the server crashes");
            self.server_stops();
        }
    }

    /// The server is gone, and comes back in a while.
    pub(super) fn server_stops(&mut self) {
        self.with_server(super::server::Server::crash);
        let noticed = self.rng.percent(70);
        self.network.server_gone(self.now, noticed, &mut self.rng, &mut self.queue);
        let start = self.now + self.rng.between(100, 60_000);
        self.queue.push(start, Due::ServerStarts);
    }

    fn server_unreachable(&mut self) {
        self.network.unreachable = true;
        let notice = self.draw_notice();
        self.weather("nobody reaches the server");
        self.cut(None, Cut::BothWays, notice);
        self.clear_later(Fault::Unreachable, 500, 180_000);
    }

    fn operator_acts(&mut self) {
        let index = self.rng.index(self.scene.users.len());
        let user = self.scene.users[index].clone();
        match self.rng.below(10) {
            0..5 => self.operate(Operator::KickAll { user, revoke: false }),
            5..8 => self.operate(Operator::KickAll { user, revoke: true }),
            _ => {
                self.operate(Operator::Ban(user));
                self.clear_later(Fault::Ban(index), 1_000, 60_000);
            }
        }
    }

    pub(super) fn operate(&mut self, operator: Operator) {
        if self.server.up {
            self.weather(&format!("{operator:?}"));
            self.with_server(|server, around| server.operate(operator, around));
        } else if matches!(operator, Operator::Unban(_)) {
            self.pending_unban.push(operator);
        }
    }

    pub(super) fn cut(&mut self, device: Option<DeviceNo>, cut: Cut, notice: Notice) {
        self.network.cut(self.now, device, cut, notice, &mut self.rng, &mut self.queue);
    }

    fn draw_notice(&mut self) -> Notice {
        *self.rng.pick(&[
            Notice::Both,
            Notice::Both,
            Notice::Client,
            Notice::Server,
            Notice::Nobody,
            Notice::Nobody,
        ])
    }

    pub(super) fn hint_later(&mut self, device: DeviceNo, hint: Hint) {
        let at = self.now + self.rng.below(3_000);
        self.queue.push(at, Due::Hint(device, hint));
    }

    fn clear_later(&mut self, fault: Fault, least_ms: u64, most_ms: u64) {
        // Short ones are more common than long ones.
        let most =
            if self.rng.percent(70) { least_ms + (most_ms - least_ms) / 10 } else { most_ms };
        let at = self.now + self.rng.between(least_ms, most);
        self.queue.push(at, Due::Clears(fault));
    }
}

/// What a jump of a clock for everything moves deadlines by, at most.
const MOST_OF_ONE_CLOCK_MS: i64 = 60_000;
const YEAR_MS: i64 = 365 * 24 * 3_600_000;
