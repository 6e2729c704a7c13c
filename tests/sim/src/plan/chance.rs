//! What a scenario leaves to chance: who never meets whom, and when sites are away. Drawn from the seed.

use super::file::{Churn, File, PowerCuts};
use crate::dice::Dice;
use crate::scenario::{Fate, Incident, Moment, Scenario};
use std::time::Duration;

/// Incidents of one site: more would be a scenario of weeks.
const INCIDENTS_MAX: usize = 4_096;

pub(super) fn draw(file: &File, scenario: &mut Scenario) {
    let mut dice = Dice::new(!scenario.seed);
    scenario.strangers = strangers(file, scenario, &mut dice);
    if file.flagship_leaves {
        scenario.incidents.push(Incident { when: Moment::EveryChunkOut, node: 0, fate: Fate::Vanishes });
    }
    for node in 1..=scenario.sites.len() {
        if let Some(PowerCuts { every_minutes, off_seconds }) = file.power_cuts {
            let every = Duration::from_secs(every_minutes * 60);
            let first = Duration::from_secs(dice.below(every.as_secs().max(1)));
            go_and_return(scenario, node, (first, every, Duration::from_secs(off_seconds)), Fate::Restarts);
        }
        if let Some(Churn { percent, away_seconds }) = file.churn {
            let every = Duration::from_secs(away_seconds * 100 / percent.max(1));
            let first = Duration::from_secs(dice.below(every.as_secs().max(1)));
            go_and_return(scenario, node, (first, every, Duration::from_secs(away_seconds)), Fate::Returns);
        }
    }
}

fn go_and_return(
    scenario: &mut Scenario,
    node: usize,
    (first, every, away): (Duration, Duration, Duration),
    back: Fate,
) {
    let gone = if back == Fate::Restarts { Fate::Vanishes } else { Fate::Dies };
    let times = (0..INCIDENTS_MAX as u32).map(|turn| first + every * turn);
    for at in times.take_while(|at| *at < scenario.until) {
        scenario.incidents.push(Incident { when: Moment::At(at), node, fate: gone });
        scenario.incidents.push(Incident { when: Moment::At(at + away), node, fate: back });
    }
}

/// Pairs of sites; everybody reaches the flagship, and a group's LAN is always there.
fn strangers(file: &File, scenario: &Scenario, dice: &mut Dice) -> Vec<(usize, usize)> {
    let sites = &scenario.sites;
    let mut pairs = Vec::new();
    for a in 0..sites.len() {
        for b in 0..a {
            let luck = (dice.below(100), dice.below(100));
            let unpunched = !sites[a].inbound && !sites[b].inbound && luck.0 >= file.punched_percent;
            let apart = luck.1 < file.strangers_percent;
            let on_one_lan = sites[a].group.is_some() && sites[a].group == sites[b].group;
            if (unpunched || apart) && !on_one_lan {
                pairs.push((b + 1, a + 1));
            }
        }
    }
    pairs
}
