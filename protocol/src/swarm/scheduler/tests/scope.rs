//! Collections that are not fetched: what somebody waits for, and no more.

use super::*;

#[test]
fn of_what_is_not_fetched_only_pages_and_urgent_chunks_are_asked_for() {
    check(&[
        (0, Input::OnlyUrgent(true), &[]),
        (0, known_chunks(&[0]), &[]),
        (0, joined(F), &[]),
        (0, has(F, &[0, 1, 11, 21]), &["ask F import 0"]),
        (50, good(F, 0), &["tell +0", "complete"]),
        (50, known_chunks(&[1, 11, 21]), &[]),
        (60, Input::Urgent(indexes(&[11])), &["ask F play 11"]),
        (70, good(F, 11), &[]),
        (900, Input::Tick, &["tell +11"]),
        (910, Input::OnlyUrgent(false), &["ask F import 1 21"]),
    ]);
}
