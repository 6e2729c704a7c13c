//! What no schedule can beat: the fluid bound of Kumar and Ross over the links of a scenario, without headers and loss.

use super::course::Course;
use super::dice::Dice;
use super::hours;
use super::scenario::{Scenario, Site};
use karez_protocol::swarm::io::EgressMode;
use std::collections::BTreeMap;

impl Scenario {
    /// Seconds before which no schedule ends the last site, when the flagship sends `copies`. Knows shared uplinks and, for
    /// what comes down, closed hours; not power cuts and not who cannot reach whom.
    pub fn bound(&self, copies: f64) -> f64 {
        let (n, ups) = self.uplinks();
        let shared = [copies * self.megabits() / highest_up(&self.flagship), (n - copies) * self.megabits() / ups];
        shared.into_iter().fold(self.fluid_bound(), f64::max)
    }

    /// The same, when the flagship sends as many copies as is best.
    pub fn fluid_bound(&self) -> f64 {
        let (n, ups) = self.uplinks();
        let (bits, flagship) = (self.megabits(), highest_up(&self.flagship));
        let down = |site: &Site| {
            let seconds = hours::seconds_down(&site.hours, (site.up, site.down), self.starts, bits);
            site.joins.as_secs_f64() + seconds.unwrap_or(f64::INFINITY)
        };
        let shared = [bits / flagship, n * bits / (flagship + ups)];
        self.links().into_iter().map(down).chain(shared).fold(0.0, f64::max)
    }

    /// The bound at one copy when thrifty, at the best number of copies when fast.
    pub fn bound_of_mode(&self) -> f64 {
        match self.mode {
            EgressMode::Thrifty => self.bound(1.0),
            EgressMode::Fast => self.fluid_bound(),
        }
    }

    /// What a site lacks.
    fn megabits(&self) -> f64 {
        let new_bytes = match self.held_percent {
            0 => self.bytes,
            percent => Course::new(self.bytes, percent, self.window.page_rows, &mut Dice::new(self.seed)).new_bytes(),
        };
        new_bytes as f64 * 8.0 / 1e6
    }

    /// Number of links to the outside, and the sum of their uplinks.
    fn uplinks(&self) -> (f64, f64) {
        let links = self.links();
        (links.len() as f64, links.into_iter().map(highest_up).sum())
    }

    /// One site for each link to the outside.
    fn links(&self) -> Vec<&Site> {
        let mut groups = BTreeMap::new();
        let is_first = |site: &&Site| site.group.is_none_or(|group| groups.insert(group, ()).is_none());
        self.sites.iter().filter(is_first).collect()
    }
}

fn highest_up(site: &Site) -> f64 {
    match site.hours.as_slice() {
        [] => site.up,
        spans => spans.iter().map(|span| span.up).fold(0.0, f64::max),
    }
}
