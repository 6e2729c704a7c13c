//! A pull as its client sees it: the plan, the way there, the copy. The download itself is the driver's and goes on when
//! the client leaves; the copy is made only while somebody waits for it to begin.

use super::copy::{self, NotWritten, Order, Room, Written};
use super::error::{ApiError, RequestError};
use super::event::{PullDone, PullEvent, PullPlan, PullProgress, PullRequest};
use super::item::{self, Missing};
use super::{OwnHome, collection, lines};
use crate::handle::view::{CollectionState, Status};
use crate::handle::{Handle, HandleError, Pull, Shown};
use axum::response::Response;
use karez_content_tools::export;
use karez_content_tools::store::Store;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::name::CollectionName;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Between two looks at the state; also how often a line is sent.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A description that has not come by then is waited for where somebody sees it.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Chunks of an item asked for at a time.
const URGENT_CHUNKS_MAX: usize = 64;

/// A copy that finds damage is begun again so often, each time after all damage was looked for and mended: a disk on which
/// more shows each time is to be replaced.
const MENDED_MAX: usize = 3;

/// Why a run ends early.
#[derive(Debug)]
enum End {
    /// The client left.
    Gone,
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Run {
    handle: Handle,
    home: OwnHome,
    store: Arc<Store>,
    collection: CollectionName,
    request: PullRequest,
    reports: mpsc::Sender<PullEvent>,
    started: Instant,
}

/// What is fetched, once the description is here.
struct Target {
    version: u64,
    item: Option<String>,
}

/// Starts a pull. What is wrong from the start is refused; what comes later is a line.
pub(super) async fn start(
    handle: Handle,
    home: OwnHome,
    store: Arc<Store>,
    request: PullRequest,
) -> Result<Response, ApiError> {
    let collection = collection(&request.collection)?;
    if let Some(to) = request.to.as_ref().filter(|to| !to.is_absolute()) {
        return Err(RequestError::RelativePath { path: to.clone() }.into());
    }
    let started = Instant::now();
    if let Some(to) = request.to.clone() {
        let (home, store) = (home.clone(), store.clone());
        blocking(move || {
            home.keep_out(&store, &to)?;
            copy::check_target(&to)
        })
        .await??;
    }
    let mut showing = show(&handle, &collection);
    let shown = match tokio::time::timeout(AT_ONCE, &mut showing).await {
        Err(_) => None,
        Ok(Err(HandleError::NotReady { .. })) => {
            showing = show(&handle, &collection);
            None
        }
        Ok(found) => Some(found?),
    };
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    let run = Run { handle, home, store, collection, request, reports, started };
    let begun = match shown {
        Some(shown) => Begun::Planned(Box::new(run.plan(shown).await?)),
        None => Begun::Asked(showing),
    };
    tokio::spawn(run.finish(begun));
    Ok(lines::response(receiver))
}

/// A description that is asked for: one question at a time, for each looks through all pages.
type Showing = Pin<Box<dyn Future<Output = Result<Shown, HandleError>> + Send>>;

fn show(handle: &Handle, collection: &CollectionName) -> Showing {
    let (handle, collection) = (handle.clone(), collection.clone());
    Box::pin(async move { handle.show(collection).await })
}

/// How far a pull had come when its client was answered.
enum Begun {
    Planned(Box<(PullPlan, Target)>),
    Asked(Showing),
}

impl Run {
    async fn finish(self, begun: Begun) {
        let last = match self.go(begun).await {
            Ok(done) => PullEvent::Done(done),
            Err(End::Failed(error)) => PullEvent::Failed(error.into()),
            Err(End::Gone) => return,
        };
        let _ = self.reports.send(last).await;
    }

    async fn go(&self, begun: Begun) -> Result<PullDone, End> {
        if self.request.item.is_none() {
            self.handle.want(self.collection.clone()).await?;
        }
        let (plan, target) = match begun {
            Begun::Planned(planned) => *planned,
            Begun::Asked(showing) => self.wait_for_description(showing).await?,
        };
        let wire_bytes = plan.wire_bytes;
        self.send(PullEvent::Plan(plan)).await?;
        let pull = match &target.item {
            None => self.wait_for_all(target.version).await?,
            Some(key) => self.wait_for_item(target.version, key).await?,
        };
        Ok(PullDone { wire_bytes, ..self.copy(pull, target).await? })
    }

    async fn send(&self, event: PullEvent) -> Result<(), End> {
        self.reports.send(event).await.map_err(|_| End::Gone)
    }

    async fn wait_for_description(&self, mut showing: Showing) -> Result<(PullPlan, Target), End> {
        loop {
            self.tell(None).await?;
            match tokio::time::timeout(LOOK_EVERY, &mut showing).await {
                Err(_) => {}
                Ok(Ok(shown)) => return Ok(self.plan(shown).await?),
                Ok(Err(HandleError::NotReady { .. })) => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    showing = show(&self.handle, &self.collection);
                }
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }

    async fn plan(&self, shown: Shown) -> Result<(PullPlan, Target), ApiError> {
        let Shown { view, pull } = shown;
        let item = match self.request.item.as_deref() {
            Some(asked) => Some(item::find_anywhere(&view, &pull, asked).await?),
            None => None,
        };
        let opened = pull.clone();
        let (key, to) = (item.as_ref().map(|item| item.key.clone()), self.request.to.clone());
        let Room { files, plain_bytes, needed, free } =
            blocking(move || copy::room(&pull.pages, key.as_deref(), to.as_deref())).await?.map_err(load_error)?;
        let (wire_bytes, with_headers_bytes) = match &item {
            None => (view.wire_bytes, view.with_headers_bytes),
            Some(item) => {
                let key = item.key.clone();
                let missing =
                    blocking(move || Missing::all(&opened, &key)?.look(&opened)).await?.map_err(load_error)?;
                let wire = missing.wire();
                (wire.bytes, wire.with_headers())
            }
        };
        let plan = PullPlan {
            collection: self.collection.to_string(),
            version: view.shown_version,
            title: view.row.title.clone(),
            item: item.as_ref().map(|item| item.title.clone()),
            files,
            plain_bytes,
            wire_bytes,
            with_headers_bytes,
            ..PullPlan::default()
        };
        let target = Target { version: view.shown_version, item: item.map(|item| item.key) };
        let Some(to) = self.request.to.clone() else { return Ok((plan, target)) };
        if self.request.link {
            let (store, to) = (self.store.clone(), to.clone());
            blocking(move || copy::check_link(&store, &to)).await??;
        }
        copy::check_room(needed, free, &to)?;
        Ok((PullPlan { copy_bytes: needed, free_bytes: free, to: Some(to), ..plan }, target))
    }

    async fn wait_for_all(&self, version: u64) -> Result<Pull, End> {
        loop {
            let status = self.handle.status().await?;
            let progress = self.progress(&status);
            let state = self.state(&status);
            let done = state.is_some_and(|state| state.complete && state.version >= version);
            let given_up = state.is_none_or(|state| state.state == "described" || state.version < version);
            self.send(PullEvent::Progress(progress)).await?;
            if given_up {
                return Err(HandleError::GivenUp { collection: self.collection.to_string() }.into());
            }
            if done {
                let pull = self.handle.open(self.collection.clone()).await?;
                if pull.version >= version {
                    return Ok(pull);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn wait_for_item(&self, version: u64, key: &str) -> Result<Pull, End> {
        let pull = self.wait_for_version(version).await?;
        let (opened, key) = (pull.clone(), key.to_owned());
        let mut missing = blocking(move || Missing::all(&opened, &key)).await?.map_err(load_error)?;
        let mut asked: Vec<ChunkIndex> = Vec::new();
        loop {
            let opened = pull.clone();
            missing = blocking(move || missing.look(&opened)).await?.map_err(load_error)?;
            self.tell(Some(&missing)).await?;
            if missing.is_empty() {
                return Ok(pull);
            }
            let first = missing.first(URGENT_CHUNKS_MAX);
            if first != asked {
                self.handle.urgent(self.collection.clone(), pull.version, first.clone()).await;
                asked = first;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The release of that version, or a later one. While an older complete one is read instead, the newer is waited for.
    async fn wait_for_version(&self, version: u64) -> Result<Pull, End> {
        loop {
            match self.handle.open(self.collection.clone()).await {
                Ok(pull) if pull.version >= version => return Ok(pull),
                Ok(_) | Err(HandleError::NotReady { .. }) => self.tell(None).await?,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Sends how far it is; by the item's chunks, where only an item is fetched.
    async fn tell(&self, item: Option<&Missing>) -> Result<(), End> {
        let status = self.handle.status().await?;
        let mut progress = self.progress(&status);
        if let Some(item) = item {
            (progress.have_bytes, progress.total_bytes) = item.bytes();
            let left = progress.total_bytes - progress.have_bytes;
            progress.eta_s = (progress.rate > 0).then(|| left / progress.rate);
        }
        self.send(PullEvent::Progress(progress)).await
    }

    fn state<'a>(&self, status: &'a Status) -> Option<&'a CollectionState> {
        let name = self.collection.to_string();
        status.collections.iter().find(|state| state.collection == name)
    }

    fn progress(&self, status: &Status) -> PullProgress {
        let Some(state) = self.state(status) else {
            return PullProgress { state: "waiting".into(), ..PullProgress::default() };
        };
        let paused = state.state == "paused";
        let stopped = paused.then(|| status.problems.first().cloned()).flatten();
        PullProgress {
            state: state.state.clone(),
            version: state.version,
            have_bytes: state.have_bytes,
            total_bytes: state.stored_bytes,
            rate: state.rate,
            eta_s: state.eta_s,
            bytes_from_flagship: state.bytes_from_flagship,
            bytes_from_peers: state.bytes_from_peers,
            bytes_from_group: state.bytes_from_group,
            bytes_already_here: state.bytes_already_here,
            missing_without_holder: state.missing_without_holder,
            waiting_for: state.waiting_for.clone(),
            problem: stopped,
            stopped_by: paused.then(|| status.problem_list.first().cloned()).flatten(),
        }
    }

    /// Writes the copy; chunks that turn out to be damaged are fetched again first, like those that never came.
    async fn write(&self, mut pull: Pull, order: Order) -> Result<(u64, Written), End> {
        let mut mended = 0;
        loop {
            let (opened, order, collection) = (pull.clone(), order.clone(), self.collection.clone());
            let reports = self.reports.clone();
            let item = order.item.clone();
            match blocking(move || copy::write(&opened, &collection, &order, &reports)).await? {
                Ok(written) => return Ok((pull.version, written)),
                Err(NotWritten::Lacking(_)) if mended < MENDED_MAX => mended += 1,
                Err(NotWritten::Lacking(cause) | NotWritten::Refused(cause)) => return Err(cause.into()),
            }
            pull = self.mend(pull, item).await?;
        }
    }

    async fn mend(&self, pull: Pull, item: Option<String>) -> Result<Pull, End> {
        let (version, key) = (pull.version, item.clone());
        let missing = blocking(move || {
            // A page that is missing itself is among what is fetched.
            let _ = export::find_damage(&pull.pages, key.as_deref());
            item::missing_here(&pull)
        });
        self.handle.urgent(self.collection.clone(), version, missing.await?).await;
        match item {
            None => self.wait_for_all(version).await,
            Some(key) => self.wait_for_item(version, &key).await,
        }
    }

    async fn copy(&self, pull: Pull, target: Target) -> Result<PullDone, End> {
        let mut done = PullDone {
            collection: self.collection.to_string(),
            version: pull.version,
            to: self.request.to.clone(),
            ..PullDone::default()
        };
        if let Some(to) = self.request.to.clone() {
            let PullRequest { exact_names, overwrite, link, .. } = self.request;
            let (home, store) = (self.home.clone(), pull.store.clone());
            let keep_out = Arc::new(blocking(move || home.folders(&store)).await?);
            let order = Order { item: target.item, to, exact_names, overwrite, link, keep_out };
            let (version, (written, linked)) = self.write(pull, order).await?;
            done.version = version;
            done.take(&written);
            done.linked = linked.map(Into::into);
        }
        done.wall_s = self.started.elapsed().as_secs_f64();
        Ok(done)
    }
}

pub(super) fn load_error(cause: karez_content_tools::export::LoadError) -> HandleError {
    HandleError::Store { detail: cause.to_string() }
}

/// Runs disk work off the loop.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HandleError> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| HandleError::Store { detail: cause.to_string() })
}
