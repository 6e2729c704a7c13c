//! Refusals of the local API: an HTTP status and a JSON body that programs can read by `error` and people by `message`.

mod courier;

pub use courier::CourierError;

use crate::handle::HandleError;
use crate::trouble::StoreFault;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Why the API does not do what was asked.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ApiError {
    /// The driver's answer.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// The request itself, or the copy that was asked for.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// What is wrong with a request, or with the copy that was asked for.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum RequestError {
    /// No such path in this API.
    #[error("this node knows no such request: the program and the running node differ in version; restart the node")]
    UnknownEndpoint,
    /// The body is not the JSON expected.
    #[error("the request cannot be read: {detail}")]
    Body {
        /// What the parser said.
        detail: String,
    },
    /// Not the name of a collection.
    #[error("'{found}' is not a collection name: it has the form PUBLISHER/NAME, for example bj4/algebra-1")]
    CollectionName {
        /// What was given.
        found: String,
    },
    /// Not a kind.
    #[error("'{found}' is not a kind of collection: use one of {known}")]
    Kind {
        /// What was given.
        found: String,
        /// The kinds there are.
        known: String,
    },
    /// Not a collection or a version of one.
    #[error("'{found}' names no collection: write PUBLISHER/NAME or PUBLISHER/NAME@VERSION")]
    Pin {
        /// What was given.
        found: String,
    },
    /// A folder must be given from the root.
    #[error("'{path}' is not an absolute path")]
    RelativePath {
        /// What was given.
        path: PathBuf,
    },
    /// The copy does not fit. Nothing was fetched.
    #[error("the copy needs {needed} bytes, but only {free} are free at {path}: choose another disk with --to")]
    NoSpace {
        /// Bytes the copy takes.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// Only a copy on the store's own disk can take the place of what the store holds. Nothing was fetched.
    #[error(
        "{path} is not on the disk of this node's store, and what is unplugged or unmounted later would be missing here: \
         leave out --link, or choose a folder on that disk with --to"
    )]
    LinkElsewhere {
        /// The folder.
        path: PathBuf,
    },
    /// The node's own folders take nothing but what the node itself writes. Nothing was fetched or written.
    #[error("{path} is in this node's own folder {own}: choose another folder")]
    OwnFolder {
        /// The folder asked for.
        path: PathBuf,
        /// The folder of the node, or of its store.
        own: PathBuf,
    },
    /// Copying out of the store failed; the text names the file.
    #[error("the copy to {path} failed: {detail}")]
    Copy {
        /// The folder.
        path: PathBuf,
        /// What went wrong, in English.
        detail: String,
        /// The same, typed.
        #[serde(default)]
        cause: Option<StoreFault>,
    },
    /// Writing or reading a bundle or a request file failed.
    #[error(transparent)]
    Courier(#[from] CourierError),
    /// No member of that name.
    #[error("the network has no member '{name}': `karez status` lists those connected")]
    UnknownMember {
        /// The name asked for.
        name: String,
    },
    /// The node runs without a gateway.
    #[error("the gateway is off: start the node without `--gateway off`, or use `karez pull`")]
    GatewayOff,
    /// The item has nothing to play.
    #[error("'{collection}' has no file to play in '{item}': `karez show {collection}` lists the files")]
    NothingToPlay {
        /// The collection.
        collection: String,
        /// The item, or empty.
        item: String,
    },
}

/// The body of a refusal, and the last line of a stream that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What it is, with its particulars.
    #[serde(flatten)]
    pub error: ApiError,
    /// The same for people, in English.
    pub message: String,
}

impl From<ApiError> for ErrorBody {
    fn from(error: ApiError) -> Self {
        Self { message: error.to_string(), error }
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Handle(error) => match error {
                HandleError::UnknownCollection { .. }
                | HandleError::UnknownItem { .. }
                | HandleError::UnknownFile { .. } => StatusCode::NOT_FOUND,
                HandleError::NotReady { .. } | HandleError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                HandleError::Busy { .. } | HandleError::GivenUp { .. } | HandleError::DamagedRelease { .. } => {
                    StatusCode::CONFLICT
                }
                HandleError::NotPublisher { .. } => StatusCode::FORBIDDEN,
                HandleError::Pack(_)
                | HandleError::Refused { .. }
                | HandleError::CompressedTar { .. }
                | HandleError::Sensitivity { .. }
                | HandleError::NoFfmpeg { .. }
                | HandleError::Ffmpeg { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                HandleError::Fault { .. } | HandleError::Store { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Request(error) => match error {
                RequestError::UnknownEndpoint
                | RequestError::UnknownMember { .. }
                | RequestError::NothingToPlay { .. } => StatusCode::NOT_FOUND,
                RequestError::Body { .. }
                | RequestError::CollectionName { .. }
                | RequestError::Kind { .. }
                | RequestError::Pin { .. }
                | RequestError::RelativePath { .. } => StatusCode::BAD_REQUEST,
                RequestError::NoSpace { .. }
                | RequestError::LinkElsewhere { .. }
                | RequestError::OwnFolder { .. }
                | RequestError::GatewayOff => StatusCode::CONFLICT,
                RequestError::Courier(_) => StatusCode::UNPROCESSABLE_ENTITY,
                RequestError::Copy { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status(), Json(ErrorBody::from(self))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::PackFailure;

    #[test]
    fn bodies_come_back_as_they_went() {
        let unknown = HandleError::UnknownItem { collection: "a/b".into(), item: "3".into() };
        let folder = HandleError::Pack(PackFailure::Empty { path: "/课".into(), skipped: 0, first: None });
        let stick = CourierError::Unfinished { path: "/stick".into(), parts: 2 };
        let errors: [ApiError; 3] = [unknown.into(), HandleError::Stopping.into(), RequestError::GatewayOff.into()];
        for error in errors.into_iter().chain([RequestError::from(stick).into(), folder.into()]) {
            let body = ErrorBody::from(error);
            let text = serde_json::to_string(&body).unwrap();
            assert_eq!(serde_json::from_str::<ErrorBody>(&text).unwrap(), body, "{text}");
        }
    }

    #[test]
    fn a_body_names_its_error_and_explains_it() {
        let body = ErrorBody::from(ApiError::from(HandleError::UnknownCollection { collection: "a/b".into() }));
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!((json["error"].as_str(), json["collection"].as_str()), (Some("unknown_collection"), Some("a/b")));
        assert!(json["message"].as_str().is_some_and(|text| text.contains("karez search")));
    }
}
