//! Requests that are not answered with content: why, in plain text.

use crate::handle::HandleError;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_protocol::content::name::NameError;

/// Seconds after which a player may ask again for a collection whose description is on its way.
const RETRY_AFTER_SECONDS: &str = "2";

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
    #[error(transparent)]
    Name(NameError),
    /// The driver cannot serve it.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// The range lies behind the file's end.
    #[error("the file has {size} bytes: the range asked for is not in it")]
    Range {
        /// Size of the file.
        size: u64,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } => StatusCode::FORBIDDEN,
            Self::Name(_) => StatusCode::NOT_FOUND,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Handle(error) => match error {
                HandleError::UnknownCollection { .. }
                | HandleError::UnknownItem { .. }
                | HandleError::UnknownFile { .. } => StatusCode::NOT_FOUND,
                HandleError::NotReady { .. } | HandleError::Busy { .. } | HandleError::Stopping => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                HandleError::NotPublisher { .. } => StatusCode::FORBIDDEN,
                HandleError::Pack(_)
                | HandleError::Refused { .. }
                | HandleError::CompressedTar { .. }
                | HandleError::Sensitivity { .. }
                | HandleError::NoFfmpeg { .. }
                | HandleError::Ffmpeg { .. }
                | HandleError::Store { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Range { size } => Some((header::CONTENT_RANGE, format!("bytes */{size}"))),
            Self::Handle(HandleError::NotReady { .. }) => Some((header::RETRY_AFTER, RETRY_AFTER_SECONDS.into())),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (self.status(), text, format!("{self}\n")).into_response();
        if let Some((name, value)) = self.header()
            && let Ok(value) = value.try_into()
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
