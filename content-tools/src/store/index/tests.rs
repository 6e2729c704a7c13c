//! Tests of the index: lookups agree with what was committed, whatever a sweep has moved and wherever it was stopped.

use super::*;

fn id(n: u64) -> ChunkId {
    ChunkId::of(&n.to_le_bytes())
}

fn row(n: u64) -> (ChunkId, Location) {
    let place = Place { segment: 1 + n as u32 / 100, offset: 32 + n % 100 * 1072 };
    (id(n), Location { place, stored_len: 1000 })
}

fn rows(numbers: std::ops::Range<u64>) -> Vec<(ChunkId, Location)> {
    numbers.map(row).collect()
}

fn commit(index: &Index, numbers: std::ops::Range<u64>) {
    let segment = row(numbers.start).1.place.segment;
    index.commit(segment, 1 << 20, &rows(numbers), &[]).unwrap();
}

/// An index that begins a sweep after a few rows and moves them as slowly as it can.
fn sweeping(path: &Path) -> Index {
    let index = Index::open(path).unwrap();
    index.memory.borrow_mut().begin_sweeps_at(300);
    index
}

fn swept(index: &Index) -> i64 {
    index.connection.query_row("SELECT COUNT(*) FROM places", [], |row| row.get(0)).unwrap()
}

fn agrees(index: &Index, held: u64) {
    for n in 0..held + 100 {
        assert_eq!(index.get(&id(n)).unwrap(), (n < held).then(|| row(n).1), "chunk {n} of {held}");
    }
}

#[test]
fn sweeps_change_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let mut index = sweeping(&path);
    for begin in (0..3000).step_by(100) {
        commit(&index, begin..begin + 100);
        if begin % 700 == 0 {
            agrees(&index, begin + 100);
            // As after a kill: what was in memory is gone.
            drop(index);
            index = sweeping(&path);
        }
    }
    agrees(&index, 3000);
    let moved = swept(&index);
    assert!((1000..=3000).contains(&moved), "{moved}");
}

#[test]
fn a_sweep_that_was_stopped_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let index = sweeping(&path);
    let transaction = index.connection.unchecked_transaction().unwrap();
    index.insert(&transaction, &rows(0..300)).unwrap();
    transaction.commit().unwrap();
    index.memory.borrow_mut().insert(&rows(0..300));
    index.sweep(100).unwrap();
    assert_eq!(swept(&index), 100);
    agrees(&index, 300);
    drop(index);
    let index = sweeping(&path);
    agrees(&index, 300);
    commit(&index, 300..301);
    agrees(&index, 301);
    assert_eq!(swept(&index), 301);
}

/// Rows of a segment that was away while sweeps went by behind it.
#[test]
fn a_segment_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = sweeping(&dir.path().join("index.sqlite"));
    for begin in (0..1000).step_by(100) {
        commit(&index, begin..begin + 100);
    }
    index.forget_behind(2, 0).unwrap();
    assert_eq!(index.get(&id(150)).unwrap(), None);
    assert_eq!(index.segments().unwrap().get(&2), None);
    commit(&index, 100..200);
    agrees(&index, 1000);
    index.forget_behind(10, 32 + 1072 * 50).unwrap();
    agrees(&index, 950);
}

#[test]
fn one_row_for_each_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let index = sweeping(&path);
    commit(&index, 0..100);
    let again = Location { place: Place { segment: 9, offset: 32 }, stored_len: 1000 };
    index.commit(9, 5000, &[(id(7), again), (id(7), again)], &[]).unwrap();
    assert_eq!((index.get(&id(7)).unwrap(), index.segments().unwrap()[&9].chunks), (Some(again), 1), "the later wins");
    index.commit(1, 5000, &[row(7)], &[]).unwrap();
    assert_eq!(index.get(&id(7)).unwrap(), Some(again), "the older does not come back");
    index.commit(9, 5000, &[(id(7), again)], &[row(7)]).unwrap();
    let counts = |index: &Index| index.segments().unwrap().values().map(|row| row.chunks).collect::<Vec<_>>();
    let check = |index: &Index| assert_eq!((index.get(&id(7)).unwrap(), counts(index)), (Some(again), vec![99, 1]));
    check(&index);
    // The only connection: the next one comes when this one has gone.
    drop(index);
    let index = sweeping(&path);
    check(&index);
    assert!(!index.remove(&id(7), row(7).1).unwrap());
    assert!(index.remove(&id(7), again).unwrap());
    assert_eq!((index.get(&id(7)).unwrap(), counts(&index)), (None, vec![99, 0]));
}

/// A place proves nothing: ids that share their first 8 bytes are told apart.
#[test]
fn equal_prefixes_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let index = sweeping(&dir.path().join("index.sqlite"));
    let twin = |last: u8| {
        let mut bytes = *id(1).as_bytes();
        bytes[31] = last;
        ChunkId::from_bytes(bytes)
    };
    let at = |n| row(n).1;
    index.commit(1, 9000, &[(twin(1), at(1)), (twin(2), at(2))], &[]).unwrap();
    index.connection.execute("INSERT INTO places VALUES (?1, 1, 99999)", [key(&twin(1))]).unwrap();
    for begin in (100..1000).step_by(100) {
        commit(&index, begin..begin + 100);
    }
    let found = [1, 2, 3].map(|last| index.get(&twin(last)).unwrap());
    assert_eq!(found, [Some(at(1)), Some(at(2)), None]);
}
