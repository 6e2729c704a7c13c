//! Every call of a short life fails once, or from then on: full disk, I/O error, read-only file system.
//!
//! What must stay true: the error has the right kind, nothing promised is lost and no byte is wrong; with space back, an
//! opened store that refused only for space goes on without being opened again.

use super::claims::{Claims, Site, chunk, go_on, page, plain, release};
use super::disk::{Failing, Fault, State};
use super::index_files::IndexFiles;
use karez_content_tools::store::{Store, StoreError};
use karez_content_tools::verify::seal;

/// Puts, syncs, rolls, a release and a draft, as far as it comes.
fn life(store: &Store, claims: &mut Claims) -> Result<(), StoreError> {
    for n in 0..30 {
        claims.offered.insert(chunk(n).id(), plain(n));
        store.put(&chunk(n))?;
        claims.put(chunk(n).id(), chunk(n).stored().len());
        if n % 8 == 7 {
            store.sync()?;
            claims.synced();
        }
    }
    for version in [1, 2] {
        let bytes = page(version);
        let page = seal(&bytes, true).expect("a page is a chunk");
        claims.offered.insert(page.id(), bytes);
        store.put(&page)?;
        claims.put(page.id(), page.stored().len());
    }
    store.save_release(&release(1))?;
    claims.synced();
    claims.saved.insert(1);
    store.save_draft(&release(2))?;
    claims.drafts.insert(2);
    Ok(())
}

fn check(failing: Failing) -> Result<bool, String> {
    let site = Site::new(State::default(), &IndexFiles::default());
    site.disk.set_failing(Some(failing));
    let mut claims = Claims::default();
    let outcome = site.open().map(|store| {
        let error = life(&store, &mut claims).err();
        site.disk.set_failing(None);
        let goes_on = go_on(&store, &claims);
        (error, goes_on)
    });
    site.disk.set_failing(None);
    let (error, goes_on) = match outcome {
        Ok((error, goes_on)) => (error, goes_on),
        Err(error) => (Some(error), Ok(())),
    };
    let Some(error) = error else { return Ok(false) };
    let fits = match failing.fault {
        Fault::Full => matches!(error, StoreError::DiskFull { .. }),
        Fault::Io | Fault::ReadOnly => matches!(error, StoreError::Io { .. }),
    };
    if !fits {
        return Err(format!("the wrong error: {error}"));
    }
    // Only a sync that failed, or a record that could not be cut off, stops a store until it is opened again.
    if let Err(reason) = goes_on
        && !reason.contains("an earlier write")
    {
        return Err(reason);
    }
    let store = site.open().map_err(|error| format!("does not open again: {error}"))?;
    claims.kept_by(&store)?;
    go_on(&store, &claims)?;
    drop(store);
    let cut = Site::new(site.disk.state().cut(failing.at_call), &site.index());
    claims.kept_by(&cut.open().map_err(|error| format!("after a cut: {error}"))?).map(|_| true)
}

/// Runs all faults at all calls; returns how many were met and what broke.
pub(crate) fn run() -> (u64, Vec<String>) {
    let (mut met, mut broken) = (0, Vec::new());
    for (fault, lasts) in [(Fault::Full, true), (Fault::Full, false), (Fault::Io, false), (Fault::ReadOnly, true)] {
        for at_call in 1.. {
            match check(Failing { at_call, fault, lasts }) {
                Ok(false) => break,
                Ok(true) => met += 1,
                Err(reason) => {
                    met += 1;
                    broken.push(format!("{fault:?} at call {at_call}: {reason}"));
                }
            }
        }
    }
    (met, broken)
}

/// Each read of an opening, of reading everything and of compaction fails once with an I/O error.
pub(crate) fn run_reads() -> (u64, Vec<String>) {
    let (mut met, mut broken) = (0, Vec::new());
    for number in 1.. {
        match check_read(number) {
            Ok(false) => break,
            Ok(true) => met += 1,
            Err(reason) => {
                met += 1;
                broken.push(format!("read {number}: {reason}"));
            }
        }
    }
    (met, broken)
}

/// A place that cannot be read costs its own chunk at most; whatever was refused can be stored again.
fn check_read(number: u64) -> Result<bool, String> {
    let site = Site::new(State::default(), &IndexFiles::default());
    let mut claims = Claims::default();
    life(&site.open().unwrap(), &mut claims).map_err(|error| error.to_string())?;
    site.disk.fail_read(Some(number));
    let opened = site.open();
    let mut lost = 0;
    if let Ok(store) = &opened {
        for (id, plain) in &claims.offered {
            match store.read_plain(id) {
                Ok(Some(read)) if read == *plain => {}
                Ok(Some(_)) => return Err(format!("wrong bytes for {id}")),
                Ok(None) | Err(StoreError::Damaged { .. }) => lost += 1,
                Err(error) => return Err(format!("{id}: {error}")),
            }
        }
        // A release file that cannot be read is left out of the list, or stops compaction: it is never taken as gone.
        let (listed, planned) = (store.releases(), store.gc_plan());
        if let (Ok(_), Ok(plan)) = (listed, planned)
            && !plan.dropped.is_empty()
        {
            return Err("compaction would drop a version".into());
        }
    }
    let met = site.disk.reads() >= number;
    site.disk.fail_read(None);
    drop(opened);
    if lost > 1 {
        return Err(format!("one bad read lost {lost} chunks"));
    }
    let store = site.open().map_err(|error| format!("does not open again: {error}"))?;
    go_on(&store, &claims).map(|()| met)
}
