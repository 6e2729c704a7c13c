//! The order of a course: items that its table of contents places come first, as it has them; the rest by name.
//!
//! What must stay true: a library of a million items has no table of contents, and no pass over its pages is made for one;
//! and no manifest makes a reader read its pages again and again.

use super::{File, Pages};
use crate::export::LoadError;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Most items that a course has. More are listed by name.
const ITEMS_MAX: usize = 20_000;

/// The items that have a place.
#[derive(Debug, Default)]
pub struct Course {
    /// In order, with the pages that they are on.
    items: Vec<(String, Range<usize>)>,
    placed: BTreeSet<String>,
}

/// Where an item was met.
struct Met {
    place: String,
    pages: Range<usize>,
}

impl Pages<'_> {
    /// The order of the course. Reads every page of a collection of at most 20 000 items.
    pub fn course(&self) -> Result<Course, LoadError> {
        if self.root().items > ITEMS_MAX as u64 {
            return Ok(Course::default());
        }
        let mut met: BTreeMap<String, Met> = BTreeMap::new();
        for number in 0..self.len() {
            let page = self.page(number)?;
            for item in &page.items {
                let Some(place) = item.ext.get("order") else { continue };
                if let Some(known) = met.get_mut(&item.key) {
                    known.pages.end = number + 1;
                } else {
                    met.insert(item.key.clone(), Met { place: place.clone(), pages: number..number + 1 });
                }
                if met.len() > ITEMS_MAX {
                    return Ok(Course::default());
                }
            }
        }
        // An item stands on pages that follow each other. Where items lie across one another, there is no order to follow.
        if met.values().map(|met| met.pages.len()).sum::<usize>() > self.len() + met.len() {
            return Ok(Course::default());
        }
        let placed = met.keys().cloned().collect();
        let mut items: Vec<_> = met.into_iter().collect();
        items.sort_by(|(_, one), (_, other)| one.place.cmp(&other.place));
        Ok(Course { items: items.into_iter().map(|(key, met)| (key, met.pages)).collect(), placed })
    }

    /// Every file, in the order of the course.
    pub fn files_in_course<'p>(&'p self, course: &'p Course) -> impl Iterator<Item = Result<File, LoadError>> + 'p {
        let of = |file: &Result<File, LoadError>, key: &str| file.as_ref().map_or(true, |file| file.item == key);
        let placed = course
            .items
            .iter()
            .flat_map(move |(key, pages)| self.files_in(pages.clone()).filter(move |file| of(file, key)));
        let is_left =
            |file: &Result<File, LoadError>| file.as_ref().map_or(true, |file| !course.placed.contains(&file.item));
        placed.chain(self.files().filter(is_left))
    }
}
