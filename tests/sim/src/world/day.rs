//! Hours that open and close.
//!
//! What must stay true: no chunk byte moves in a closed hour. So a site stops asking a while before, and leaves before the
//! hour strikes. The node has no hours yet: this is how its shell will have to go about it.

use super::{Event, World};
use crate::hours;
use karez_protocol::swarm::io::Input;
use std::time::Duration;

/// A site stops asking so long before it closes: a pipeline at its slowest peer.
const HUSH: Duration = Duration::from_secs(10);
/// And is gone so long before: a chunk that is under way at 1 Mbit/s.
const CLOSE: Duration = Duration::from_secs(5);

impl World {
    fn rates_at(&self, node: usize, after: Duration) -> Option<(f64, f64)> {
        let site = &self.scenario.sites[node - 1];
        let time_of_day = self.scenario.starts + Duration::from_micros(self.now.0) + after;
        hours::rates(&site.hours, (site.up, site.down), time_of_day)
    }

    /// A full hour: rates change, or it opens; and what the next one brings is prepared for.
    pub(super) fn strike_hour(&mut self, node: usize) {
        if node == 0 {
            return;
        }
        let next = hours::until_next_hour(self.scenario.starts + Duration::from_micros(self.now.0));
        self.schedule(next, Event::Hour(node));
        let rates = self.rates_at(node, Duration::ZERO);
        if let Some(rates) = rates {
            let wan = self.nodes[node].wan;
            self.ports[wan].set_rates(rates);
            self.open(node);
        } else if self.nodes[node].is_open {
            // It begins in a closed hour.
            self.close(node);
        }
        if rates.is_some() && self.rates_at(node, next).is_none() {
            self.schedule(next.saturating_sub(HUSH), Event::Hush(node));
            self.schedule(next.saturating_sub(CLOSE), Event::Close(node));
        }
    }

    fn open(&mut self, node: usize) {
        if std::mem::replace(&mut self.nodes[node].is_open, true) {
            return;
        }
        self.step(node, Input::Paused(false));
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.schedule_connect(node, other, Duration::ZERO);
        }
    }

    pub(super) fn close(&mut self, node: usize) {
        self.step(node, Input::Paused(true));
        self.nodes[node].is_open = false;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.sever(node, other);
        }
    }
}
