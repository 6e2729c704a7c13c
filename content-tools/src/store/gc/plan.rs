//! Finding out what is garbage, and how much of what an order names has to go for the room it asks for.

use super::live::{Live, Marked};
use super::{GARBAGE_PARTS, GcGroup, GcOrder, GcPlan, GroupShare, HeldVersion, SegmentGarbage};
use crate::store::record::{RECORD_HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::store::{Claims, HeldRelease, Store, StoreError, segment};
use karez_protocol::content::Document;
use karez_protocol::content::manifest::ManifestRoot;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept in any case, and what may go, by group.
struct Sorted {
    kept: Vec<Marked>,
    groups: Vec<Vec<Marked>>,
}

impl Store {
    /// [`Store::gc_plan_for`] for a store that nobody else uses: only the newest versions and the pinned ones stay.
    pub fn gc_plan(&self) -> Result<GcPlan, StoreError> {
        let claims = self.claims();
        self.gc_plan_for(&self.gc_order()?, claims)
    }

    /// Finds out what an order comes to. Reads the pages of all versions and the index, changes nothing. The claims were
    /// begun before anything was looked at that the order was made from.
    pub fn gc_plan_for(&self, order: &GcOrder, claims: Claims) -> Result<GcPlan, StoreError> {
        self.sync()?;
        let held = self.held(&order.lost)?;
        let groups = self.groups_that_may_go(order, &held)?;
        let sorted = sort(order, &held, &groups)?;
        let all = || sorted.kept.iter().chain(sorted.groups.iter().flatten());
        let mut live = Live::with_room_for(all());
        sorted.kept.iter().try_for_each(|version| self.mark(&mut live, version))?;
        // From the last to go to the first: what two of them name comes free with the one that goes later.
        let mut shares = vec![GroupShare::default(); groups.len()];
        for (share, versions) in shares.iter_mut().zip(&sorted.groups).rev() {
            for version in versions {
                share.bytes += self.mark_and_weigh(&mut live, version)?;
            }
        }
        self.choose(order, &live, &groups, &mut shares)?;
        let mut live = Live::with_room_for(all());
        let stay = sorted.groups.iter().zip(&shares).filter(|(_, share)| !share.goes).flat_map(|(group, _)| group);
        sorted.kept.iter().chain(stay).try_for_each(|version| self.mark(&mut live, version))?;
        let (segments, left_bytes) = self.worth_rewriting(&live, order)?;
        let gone = groups.iter().zip(&shares).filter(|(_, share)| share.goes);
        let dropped: BTreeSet<HeldVersion> = gone.flat_map(|(group, _)| group.versions.iter().cloned()).collect();
        let kept = held.into_iter().map(|(version, _)| version).filter(|version| !dropped.contains(version));
        let (kept, dropped) = (kept.collect(), dropped.into_iter().collect());
        let lost = order.lost.iter().cloned().collect();
        Ok(GcPlan { kept, dropped, lost, shares, segments, left_bytes, live, claims })
    }

    /// The order's groups without what is not here; a group with a pin in it stays whole, whoever asks.
    fn groups_that_may_go(
        &self,
        order: &GcOrder,
        held: &[(HeldVersion, HeldRelease)],
    ) -> Result<Vec<GcGroup>, StoreError> {
        let pins = self.pins()?;
        let here: BTreeSet<&HeldVersion> = held.iter().map(|(version, _)| version).collect();
        let pinned = |v: &&HeldVersion| pins.iter().any(|pin| pin.holds(&v.collection, v.version));
        let group = |group: &GcGroup| {
            let versions = group.versions.iter().filter(|version| here.contains(version));
            let stays = group.for_room && group.versions.iter().any(|version| pinned(&version));
            let versions = versions.filter(|version| !stays && !pinned(version)).cloned().collect();
            GcGroup { versions, for_room: group.for_room }
        };
        Ok(order.groups.iter().map(group).collect())
    }

    /// Lets as many groups go as the room asked for takes.
    fn choose(
        &self,
        order: &GcOrder,
        live: &Live,
        groups: &[GcGroup],
        shares: &mut [GroupShare],
    ) -> Result<(), StoreError> {
        let mut free = match groups.iter().any(|group| group.for_room) {
            true => self.weigh(live, order.recent)?.iter().map(|segment| segment.garbage_bytes).sum(),
            false => 0,
        };
        for (group, share) in groups.iter().zip(shares) {
            share.goes = !group.versions.is_empty() && (!group.for_room || free < order.free_bytes);
            free += if share.goes { share.bytes } else { 0 };
        }
        Ok(())
    }

    /// The segments to rewrite, those with most garbage first, and the garbage that stays in the others.
    fn worth_rewriting(&self, live: &Live, order: &GcOrder) -> Result<(Vec<SegmentGarbage>, u64), StoreError> {
        let mut all = self.weigh(live, order.recent)?;
        let share = |segment: &SegmentGarbage| {
            segment.garbage_bytes as f64 / (segment.garbage_bytes + segment.live_bytes) as f64
        };
        all.sort_by(|a, b| share(b).total_cmp(&share(a)).then(a.number.cmp(&b.number)));
        let (mut chosen, mut left, mut free) = (Vec::new(), 0, 0);
        for segment in all {
            let len = segment.garbage_bytes + segment.live_bytes;
            if segment.garbage_bytes * GARBAGE_PARTS >= len || free < order.free_bytes {
                free += segment.garbage_bytes;
                chosen.push(segment);
            } else {
                left += segment.garbage_bytes;
            }
        }
        Ok((chosen, left))
    }

    /// Every segment that may be rewritten and holds garbage.
    fn weigh(&self, live: &Live, recent: bool) -> Result<Vec<SegmentGarbage>, StoreError> {
        let mut segments = Vec::new();
        for number in self.settled_segments(recent)? {
            let mut live_bytes = SEGMENT_HEADER_LEN as u64;
            for (id, at) in self.with_index(|index| index.rows_of(number))? {
                if live.contains(&id) || self.is_needed(&id, at)? {
                    live_bytes += RECORD_HEADER_LEN as u64 + u64::from(at.stored_len);
                }
            }
            let garbage_bytes = self.segment_len(number)?.saturating_sub(live_bytes);
            if garbage_bytes > 0 {
                segments.push(SegmentGarbage { number, live_bytes, garbage_bytes });
            }
        }
        Ok(segments)
    }

    /// Segments that nothing was written to since the store was opened; all of them when that does not matter.
    fn settled_segments(&self, recent: bool) -> Result<Vec<u32>, StoreError> {
        let mut numbers = segment::list(&*self.disk, &self.dir.join("segments"))?;
        let writer = self.writer()?;
        let untouched =
            writer.segment.number == self.opened_at.segment && writer.segment.len() == self.opened_at.offset;
        let settled = |number: &u32| {
            *number < self.opened_at.segment || (untouched && *number == self.opened_at.segment) || recent
        };
        numbers.retain(settled);
        Ok(numbers)
    }
}

fn sort(order: &GcOrder, held: &[(HeldVersion, HeldRelease)], groups: &[GcGroup]) -> Result<Sorted, StoreError> {
    let places = groups.iter().enumerate().flat_map(|(at, group)| group.versions.iter().map(move |v| (v, at)));
    let places: BTreeMap<&HeldVersion, usize> = places.collect();
    let mut sorted = Sorted { kept: Vec::new(), groups: groups.iter().map(|_| Vec::new()).collect() };
    for (version, release) in held {
        let root = ManifestRoot::from_bytes(&release.root)?;
        let half = order.half.contains(version);
        let marked = Marked { root, half, collection: version.collection.clone(), version: version.version };
        match places.get(version) {
            Some(at) => sorted.groups[*at].push(marked),
            None => sorted.kept.push(marked),
        }
    }
    let at_work = order.at_work.iter().map(|at_work| Marked {
        root: at_work.root.clone(),
        half: at_work.half,
        collection: at_work.collection.clone(),
        version: at_work.version,
    });
    sorted.kept.extend(at_work);
    Ok(sorted)
}
