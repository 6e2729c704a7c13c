//! The gateway over a real socket, in front of a store that fills while it is read.

mod course;

use course::{Course, FILM, FILM_BYTES, NAME, Swarm, driver, noise};
use karez_protocol::content::chunk::ChunkIndex;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const ENCODED: &str = "01-%E5%AF%BC%E5%85%A5/%E8%AE%B2%20%E8%AF%BE.mp4";

struct Site {
    course: Arc<Course>,
    base: String,
    wanted: mpsc::Receiver<Vec<ChunkIndex>>,
}

impl Site {
    async fn start(swarm: Swarm) -> Self {
        Self::show(Course::new(), swarm).await
    }

    async fn show(course: Arc<Course>, swarm: Swarm) -> Self {
        let (handle, wanted) = driver(&course, swarm);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(super::serve(listener, handle, std::future::pending()));
        Self { course, base, wanted }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        reqwest::Client::builder().no_proxy().build().unwrap().request(method, url)
    }

    fn film(&self, method: Method) -> RequestBuilder {
        self.request(method, &format!("/c/{NAME}/{ENCODED}"))
    }

    async fn range(&self, range: &str) -> Response {
        self.film(Method::GET).header(header::RANGE, range).send().await.unwrap()
    }
}

fn head<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn ranges_of_a_file_that_is_here() {
    let site = Site::start(Swarm::Deserted).await;
    site.course.arrive_whole();
    let film = noise("film", FILM_BYTES);
    for (range, bytes) in [
        ("bytes=0-9", 0..10),
        ("bytes=1000000-2000000", 1_000_000..2_000_001),
        ("bytes=2999999-", 2_999_999..3_000_000),
        ("bytes=-5", 2_999_995..3_000_000),
    ] {
        let response = site.range(range).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let named = format!("bytes {}-{}/{FILM_BYTES}", bytes.start, bytes.end - 1);
        assert_eq!(head(&response, "content-range"), named);
        assert_eq!(head(&response, "content-length"), bytes.len().to_string());
        assert!(response.bytes().await.unwrap() == film[bytes], "{range}");
    }
    let whole = site.range("bytes=0-1,5-6").await;
    assert_eq!((whole.status(), head(&whole, "content-type")), (StatusCode::OK, "video/mp4"));
    assert!(whole.bytes().await.unwrap() == film);
    let behind = site.range("bytes=3000000-").await;
    assert_eq!(behind.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(head(&behind, "content-range"), "bytes */3000000");
}

/// A film that was taken apart into its tracks, whose slices take turns: here, and as it arrives.
#[tokio::test]
async fn ranges_of_a_film_that_was_taken_apart() {
    let recorded = include_bytes!("../../../content-tools/tests/corpus/mp4/progressive.mp4");
    let film = [recorded, &(8 + (1u32 << 20)).to_be_bytes()[..], b"free", &noise("pad", 1 << 20)].concat();
    for here in [true, false] {
        let course = Course::with(&[("03.mp4", &film)]);
        let file = course.layout.file("03.mp4").unwrap();
        assert!(file.head.recipe.is_some(), "it has a recipe");
        let site = Site::show(course.clone(), if here { Swarm::Deserted } else { Swarm::Helpful }).await;
        if here {
            site.course.arrive_whole();
        }
        let (size, last) = (film.len(), recorded.len());
        for bytes in [size - 9..size, 0..1, 100..last / 2, last - 500..last + 9, 0..size] {
            let range = format!("bytes={}-{}", bytes.start, bytes.end - 1);
            let request = site.request(Method::GET, &format!("/c/{NAME}/03.mp4")).header(header::RANGE, &range);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            assert!(response.bytes().await.unwrap() == film[bytes], "{range}");
        }
    }
}

#[tokio::test]
async fn a_half_arrived_film_streams_to_its_end() {
    let mut site = Site::start(Swarm::Helpful).await;
    let chunks = site.course.chunks_of(FILM);
    assert!(chunks.len() > 4, "the film must have several chunks");
    site.course.arrive(chunks.iter().copied().step_by(2));
    let response = site.film(Method::GET).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap() == noise("film", FILM_BYTES));
    assert_eq!(site.wanted.recv().await.unwrap().first(), chunks.get(1), "the first one missing is asked for first");
}

#[tokio::test]
async fn a_range_waits_for_its_own_chunks_only() {
    let mut site = Site::start(Swarm::Deserted).await;
    let last = *site.course.chunks_of(FILM).last().unwrap();
    let response = site.range("bytes=-10").await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let body = tokio::spawn(response.bytes());
    assert_eq!(site.wanted.recv().await, Some(vec![last]));
    site.course.arrive([last]);
    assert!(body.await.unwrap().unwrap() == noise("film", FILM_BYTES)[FILM_BYTES - 10..]);
}

#[tokio::test]
async fn head_says_what_get_would_and_waits_for_nothing() {
    let site = Site::start(Swarm::Deserted).await;
    let response = site.film(Method::HEAD).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(head(&response, "content-length"), FILM_BYTES.to_string());
    assert_eq!(head(&response, "accept-ranges"), "bytes");
    let tag = head(&response, "etag").to_owned();
    let known = site.film(Method::GET).header(header::IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let ranged = |tag: &str| site.film(Method::HEAD).header(header::RANGE, "bytes=0-9").header(header::IF_RANGE, tag);
    assert_eq!(ranged(&tag).send().await.unwrap().status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(ranged("\"other\"").send().await.unwrap().status(), StatusCode::OK);
}

/// The publisher's film was deleted: no answer promises it, whatever part of it is asked for and however.
#[tokio::test]
async fn a_published_file_that_is_gone_is_refused_before_the_head() {
    let site = Site::show(Course::in_place(), Swarm::Deserted).await;
    assert!(site.film(Method::GET).send().await.unwrap().bytes().await.unwrap() == noise("film", FILM_BYTES));
    std::fs::remove_file(site.course.source().join(FILM)).unwrap();
    for (method, range, lang, said) in [
        (Method::GET, None, "zh-CN,zh;q=0.9", "已丢失"),
        (Method::HEAD, None, "zh", ""),
        (Method::GET, Some("bytes=2000000-2000009"), "en", "publish the folder again"),
        (Method::HEAD, Some("bytes=-5"), "en", ""),
    ] {
        let request = site.film(method).header(header::ACCEPT_LANGUAGE, lang);
        let request = range.into_iter().fold(request, |request, range| request.header(header::RANGE, range));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{range:?}");
        assert_eq!(head(&response, "retry-after"), "10");
        assert!(head(&response, "content-range").is_empty() && head(&response, "etag").is_empty());
        let text = response.text().await.unwrap();
        assert!(text.contains(said), "{text}");
    }
    let handout = site.request(Method::GET, &format!("/c/{NAME}/02-handout/notes.html")).send().await.unwrap();
    assert_eq!(
        (handout.status(), handout.text().await.unwrap().as_str()),
        (StatusCode::OK, "<script>alert(1)</script>")
    );
}

/// It was changed in its middle: what is sound comes, and a body that meets the damage breaks.
#[tokio::test]
async fn a_body_that_meets_damage_breaks() {
    let site = Site::show(Course::in_place(), Swarm::Deserted).await;
    let film = noise("film", FILM_BYTES);
    let file = std::fs::File::options().write(true).open(site.course.source().join(FILM)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 4096], 2_000_000).unwrap();
    let mut response = site.film(Method::GET).send().await.unwrap();
    assert_eq!((response.status(), head(&response, "content-length")), (StatusCode::OK, "3000000"));
    let mut came = Vec::new();
    let broke = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => came.extend_from_slice(&bytes),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke, "it ended as if complete after {} bytes", came.len());
    assert!(came.len() <= 2_000_000 && film.starts_with(&came));
    assert!(site.range("bytes=0-99").await.bytes().await.unwrap() == film[..100]);
    assert_eq!(site.range("bytes=2000000-").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// The same where a peer has the chunks: the answer waits for them.
#[tokio::test]
async fn damage_is_mended_before_anybody_sees_it() {
    let site = Site::show(Course::in_place(), Swarm::Helpful).await;
    std::fs::write(site.course.source().join(FILM), noise("another", FILM_BYTES)).unwrap();
    let response = site.film(Method::GET).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.unwrap() == noise("film", FILM_BYTES));
}

#[tokio::test]
async fn what_is_refused() {
    let site = Site::start(Swarm::Deserted).await;
    for (path, status) in [
        ("/c/bj4/algebra-1/no-such.mp4", StatusCode::NOT_FOUND),
        ("/c/bj4/algebra-1/..%2f..%2fetc%2fpasswd", StatusCode::NOT_FOUND),
        ("/c/bj4/algebra-1/%2e%2e/%2e%2e/x", StatusCode::NOT_FOUND),
        ("/c/bj4/algebra-1/%ff", StatusCode::BAD_REQUEST),
        ("/c/bj4/other/x", StatusCode::NOT_FOUND),
        ("/c/bj4/.hidden/x", StatusCode::NOT_FOUND),
        ("/etc/passwd", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(site.request(Method::GET, path).send().await.unwrap().status(), status, "{path}");
    }
    let posted = site.film(Method::POST).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    let rebound = site.film(Method::GET).header(header::HOST, "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    assert!(rebound.text().await.unwrap().contains("localhost"), "it says why");
    let chinese =
        site.request(Method::GET, "/c/bj4/other/x").header(header::ACCEPT_LANGUAGE, "zh-CN").send().await.unwrap();
    assert_eq!(head(&chinese, "content-language"), "zh");
    assert!(chinese.text().await.unwrap().contains("目录中没有"));
}

#[tokio::test]
async fn the_description_travels_and_is_no_lesson() {
    let course = Course::with(&[("collection.toml", b"subject = 'maths'\n")]);
    let site = Site::show(course, Swarm::Helpful).await;
    let text = site.request(Method::GET, &format!("/c/{NAME}")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("2. 02-handout</th>") && !text.contains("collection"), "{text}");
    let path = format!("/c/{NAME}/collection.toml");
    assert_eq!(site.request(Method::GET, &path).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn pages_show_names_and_run_nothing() {
    let site = Site::start(Swarm::Helpful).await;
    let page = site.request(Method::GET, &format!("/c/{NAME}")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(head(&page, "content-security-policy").contains("default-src 'none'"));
    let text = page.text().await.unwrap();
    assert!(text.contains(ENCODED) && text.contains("代数 &lt;1&gt;") && !text.contains("<1>"), "{text}");
    let (course, handout) = (text.find("<th colspan=\"3\">1. 01-导入</th>"), text.find("2. 02-handout</th>"));
    assert!(course.is_some() && course < handout && text.contains(">notes.html</a>"), "{text}");
    let front = site.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(front.contains(&format!("/c/{NAME}/")), "{front}");
    let handout = site.request(Method::GET, &format!("/c/{NAME}/02-handout/notes.html")).send().await.unwrap();
    assert!(head(&handout, "content-security-policy").starts_with("sandbox;"));
    assert_eq!(head(&handout, "x-content-type-options"), "nosniff");
    let empty = site.request(Method::GET, &format!("/c/{NAME}/02-handout/empty.txt")).send().await.unwrap();
    assert_eq!((empty.status(), head(&empty, "content-length")), (StatusCode::OK, "0"));
}
