//! Requests that are not answered with content: why, in plain text, in the language asked for.

use crate::handle::HandleError;
use crate::words::texts;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_content_tools::speech::{Lang, Sentence, Spoken, harmless, with};

/// Seconds after which a player may ask again for a collection whose description is on its way.
const RETRY_AFTER_SECONDS: &str = "2";
/// The same for bytes that were lost, or whose disk is not there.
const MENDED_AFTER_SECONDS: &str = "10";

/// Why a request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub(super) enum Refusal {
    /// Asked under a name that is not this machine's.
    #[error(
        "this gateway answers only as localhost, 127.0.0.1, [::1] or its own address, not as '{found}': \
         open it under one of those"
    )]
    Host {
        /// The name in the request.
        found: String,
    },
    /// Not the name of a collection.
    #[error("'{found}' is not a collection name")]
    Name {
        /// The name in the request.
        found: String,
    },
    /// The driver cannot serve it.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// The range lies behind the file's end.
    #[error("the file has {size} bytes: the range asked for is not in it")]
    Range {
        /// Size of the file.
        size: u64,
    },
    /// The bytes asked for were here: their file was changed or removed, or the disk lost them. Nobody has brought them yet.
    #[error("bytes of {path} are lost here")]
    Lost {
        /// The file.
        path: String,
    },
    /// The bytes are on a disk that is not there.
    #[error("{file} is away")]
    Away {
        /// The file outside the store.
        file: String,
    },
    /// The bytes cannot be read.
    #[error("{path} cannot be read: {detail}")]
    Unreadable {
        /// The file.
        path: String,
        /// What went wrong.
        detail: String,
    },
}

impl Spoken for Refusal {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Host { found } => ("error-gateway-host", with([("found", found)])),
            Self::Name { found } => ("error-collection-name", with([("found", found)])),
            Self::Handle(error) => error.sentence(),
            Self::Range { size } => ("error-gateway-range", with([("size", size)])),
            Self::Lost { path } => ("error-gateway-lost", with([("path", path)])),
            Self::Away { file } => ("error-gateway-away", with([("file", file)])),
            Self::Unreadable { path, detail } => {
                ("error-gateway-unreadable", with([("path", path), ("detail", detail)]))
            }
        }
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } => StatusCode::FORBIDDEN,
            Self::Name { .. } => StatusCode::NOT_FOUND,
            Self::Lost { .. } | Self::Away { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Handle(error) => match error {
                HandleError::UnknownCollection { .. }
                | HandleError::UnknownItem { .. }
                | HandleError::UnknownFile { .. } => StatusCode::NOT_FOUND,
                HandleError::NotReady { .. } | HandleError::Busy { .. } | HandleError::Stopping => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                HandleError::NotPublisher { .. } => StatusCode::FORBIDDEN,
                HandleError::GivenUp { .. } => StatusCode::CONFLICT,
                HandleError::Pack(_)
                | HandleError::Refused { .. }
                | HandleError::CompressedTar { .. }
                | HandleError::Sensitivity { .. }
                | HandleError::NoFfmpeg { .. }
                | HandleError::Ffmpeg { .. }
                | HandleError::DamagedRelease { .. }
                | HandleError::Fault { .. }
                | HandleError::Store { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Range { size } => Some((header::CONTENT_RANGE, format!("bytes */{size}"))),
            Self::Handle(HandleError::NotReady { .. }) => Some((header::RETRY_AFTER, RETRY_AFTER_SECONDS.into())),
            Self::Lost { .. } | Self::Away { .. } => Some((header::RETRY_AFTER, MENDED_AFTER_SECONDS.into())),
            _ => None,
        }
    }
}

/// Puts a refusal into words, where the response is one.
pub(super) fn in_words(mut response: Response, lang: Lang) -> Response {
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let (key, arguments) = refusal.sentence();
        *response.body_mut() = Body::from(format!("{}\n", harmless(&texts(lang).say(key, &arguments))));
        let tag = match lang {
            Lang::Zh => "zh",
            Lang::En => "en",
        };
        response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(tag));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (self.status(), text).into_response();
        if let Some((name, value)) = self.header()
            && let Ok(value) = value.try_into()
        {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}
