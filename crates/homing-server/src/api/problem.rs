//! Errors as problem documents (RFC 9457) with the code of the one table (S-10).

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use homing_proto::Error;
use homing_proto::code::Code;
use serde_json::json;

/// An error as it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: Error,
}

impl Problem {
    pub(super) const fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { status: status(error.code), error }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Error::from(code).into()
    }
}

/// An argument is wrong, and this is what.
pub(super) fn invalid(text: &str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}

/// What a request was refused for before a handler saw it.
macro_rules! rejections {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                let text = rejection.body_text();
                let error = Error::new(Code::INVALID_ARGUMENT).with_text(text);
                Self { status: rejection.status(), error }
            }
        })*
    };
}

rejections!(BytesRejection, JsonRejection, PathRejection, QueryRejection);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        let mut body = json!({
            "type": format!("urn:homing:code:{}", error.code.0),
            "title": error.code.name(),
            "status": status.as_u16(),
            "detail": error.sentence(),
            "code": error.code.0,
            "name": error.code.name(),
            "advice": error.code.advice().name(),
        });
        if let Some(ms) = error.retry_after_ms {
            body["retry_after_ms"] = ms.into();
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, "application/problem+json".parse().expect("a legal value"));
        if let Some(ms) = error.retry_after_ms {
            headers.insert(RETRY_AFTER, ms.div_ceil(1_000).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, "Bearer".parse().expect("a legal value"));
        }
        response
    }
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::UNKNOWN_APP | Code::USER_NOT_FOUND | Code::SESSION_NOT_FOUND => StatusCode::NOT_FOUND,
        Code::UNKNOWN_OPERATION => StatusCode::NOT_FOUND,
        Code::ACCOUNT_DELETED => StatusCode::GONE,
        Code::TOO_FREQUENT | Code::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
        Code::SERVER_BUSY | Code::SERVER_STOPPING | Code::STORE_FULL => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        code if code.is_credential() => StatusCode::UNAUTHORIZED,
        code if code.0 / 100 == 1 => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
