//! Client and server over a real socket, in front of a driver that answers as the real one would.

#[expect(clippy::duplicate_mod, reason = "api and gateway never name each other, and test against the same course")]
#[path = "../gateway/tests/course.rs"]
mod course;

use super::client::{Client, ClientError, Lines};
use super::error::{ApiError, RequestError};
use super::event::{PublishLine, PullEvent, PullRequest};
use super::{Doors, bind, serve};
use crate::bulk::Limits;
use crate::care::Care;
use crate::handle::{HandleError, PublishRequest};
use course::{Course, FILM, FILM_BYTES, NAME, Swarm, driver, noise};
use karez_protocol::plan::limiter::Rates;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

struct Site {
    course: Arc<Course>,
    dir: TempDir,
    client: Client,
    to: PathBuf,
}

impl Site {
    fn start(swarm: Swarm) -> Self {
        Self::show(Course::new(), swarm)
    }

    fn show(course: Arc<Course>, swarm: Swarm) -> Self {
        let (handle, _) = driver(&course, swarm);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        let socket = dir.path().join("home/api.sock");
        let care = Care::new(course.site.clone(), handle.clone());
        let doors = Doors { handle, care, limits: Limits::new(Rates::default()) };
        tokio::spawn(serve(bind(&socket).unwrap(), doors, std::future::pending()));
        let to = dir.path().join("copy");
        Self { course, dir, client: Client::new(&socket).unwrap(), to }
    }

    async fn pull(&self, item: Option<&str>) -> Lines<PullEvent> {
        let request = PullRequest {
            collection: NAME.into(),
            item: item.map(str::to_owned),
            to: Some(self.to.clone()),
            exact_names: false,
            overwrite: false,
            link: false,
        };
        self.client.pull(&request).await.unwrap()
    }
}

async fn all(mut lines: Lines<PullEvent>) -> Vec<PullEvent> {
    let mut events = Vec::new();
    while let Some(event) = lines.next().await.unwrap() {
        events.push(event);
    }
    events
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> ApiError {
    match result {
        Err(ClientError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn questions_are_answered() {
    let site = Site::start(Swarm::Deserted);
    assert_eq!(site.client.status().await.unwrap().collections.len(), 1);
    assert_eq!(site.client.search("代数 & 1").await.unwrap().len(), 1);
    assert_eq!(site.client.show(NAME).await.unwrap().items.len(), 2);
    assert_eq!(site.client.follow(NAME, true).await.unwrap().collection, NAME);
    let play = site.client.play(NAME, Some("1")).await.unwrap();
    assert_eq!((play.items[0].main.path.as_str(), play.items[0].subtitles.len()), (FILM, 1));
}

#[tokio::test]
async fn refusals_come_back_as_they_are() {
    let site = Site::start(Swarm::Deserted);
    let unknown = HandleError::UnknownCollection { collection: "a/b".into() };
    assert_eq!(refusal(site.client.show("a/b").await), unknown.into());
    let name = RequestError::CollectionName { found: "a b".into() };
    assert_eq!(refusal(site.client.show("a b").await), name.into());
    let item = HandleError::UnknownItem { collection: NAME.into(), item: "99".into() };
    assert_eq!(refusal(site.client.play(NAME, Some("99")).await), item.into());
    let request = PullRequest {
        collection: NAME.into(),
        item: None,
        to: Some("copy".into()),
        exact_names: false,
        overwrite: false,
        link: false,
    };
    assert!(matches!(refusal(site.client.pull(&request).await), ApiError::Request(RequestError::RelativePath { .. })));
}

#[tokio::test]
async fn a_pull_plans_fetches_and_copies() {
    let site = Site::start(Swarm::Helpful);
    let events = all(site.pull(None).await).await;
    let Some(PullEvent::Plan(plan)) = events.first() else { panic!("no plan first: {events:?}") };
    assert_eq!((plan.files, plan.copy_bytes), (4, plan.plain_bytes));
    let Some(PullEvent::Done(done)) = events.last() else { panic!("not done: {events:?}") };
    assert_eq!((done.files, done.to.as_ref()), (4, Some(&site.to)));
    assert!(std::fs::read(site.to.join(FILM)).unwrap() == noise("film", FILM_BYTES));
    let again = all(site.pull(None).await).await;
    assert!(matches!(&again[0], PullEvent::Plan(plan) if plan.copy_bytes == 0), "the copy is there: {again:?}");
}

#[tokio::test]
async fn a_copy_of_what_was_deleted_is_mended_first() {
    let site = Site::show(Course::in_place(), Swarm::Helpful);
    std::fs::remove_file(site.course.source().join(FILM)).unwrap();
    let events = all(site.pull(None).await).await;
    assert!(matches!(events.last(), Some(PullEvent::Done(_))), "{events:?}");
    assert!(std::fs::read(site.to.join(FILM)).unwrap() == noise("film", FILM_BYTES));
}

#[tokio::test]
async fn an_item_is_done_when_its_own_chunks_are_here() {
    let site = Site::start(Swarm::Deserted);
    let mut lines = site.pull(Some("01-导入")).await;
    assert!(matches!(lines.next().await.unwrap(), Some(PullEvent::Plan(plan)) if plan.files == 2));
    let Some(PullEvent::Progress(progress)) = lines.next().await.unwrap() else { panic!("no progress") };
    assert_eq!((progress.state.as_str(), progress.waiting_for), ("waiting", vec!["flagship".to_owned()]));
    assert!(progress.total_bytes > 0 && progress.have_bytes == 0);
    let of_item = [FILM, "01-导入/讲 课.zh.vtt"].map(|path| site.course.chunks_of(path));
    site.course.arrive(of_item.concat());
    let events = all(lines).await;
    assert!(matches!(events.last(), Some(PullEvent::Done(done)) if done.files == 2), "{events:?}");
    assert!(site.to.join(FILM).is_file() && !site.to.join("02-handout").exists());
}

#[tokio::test]
async fn a_client_that_leaves_stops_nothing() {
    let site = Site::start(Swarm::Deserted);
    let mut lines = site.pull(None).await;
    assert!(lines.next().await.unwrap().is_some());
    drop(lines);
    site.course.arrive_whole();
    let events = all(site.pull(None).await).await;
    assert!(matches!(events.last(), Some(PullEvent::Done(_))), "{events:?}");
}

#[tokio::test]
async fn publishing_reports_to_the_end() {
    let site = Site::start(Swarm::Deserted);
    let request = |dir: PathBuf, kind: &str| PublishRequest {
        dir,
        collection: NAME.into(),
        kind: Some(kind.into()),
        title: None,
        unpack: false,
        unchecked: false,
        renditions: Vec::new(),
        in_place: false,
    };
    let mut lines = site.client.publish(&request(site.dir.path().into(), "course")).await.unwrap();
    assert!(matches!(lines.next().await.unwrap(), Some(PublishLine::Packing { bytes: 5, total: 10, .. })));
    assert!(matches!(lines.next().await.unwrap(), Some(PublishLine::Done(published)) if published.version == 2));
    assert!(lines.next().await.unwrap().is_none());
    let mut lines = site.client.publish(&request("/no/such".into(), "course")).await.unwrap();
    lines.next().await.unwrap();
    assert!(matches!(lines.next().await.unwrap(), Some(PublishLine::Failed(_))));
    let kind = refusal(site.client.publish(&request("/".into(), "film")).await);
    assert!(matches!(kind, ApiError::Request(RequestError::Kind { .. })), "{kind}");
}
