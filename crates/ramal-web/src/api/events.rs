//! `/v1/events`: what webhooks are told, live, to whoever asks. An extension of ours.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::{
        Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream::{self, Stream};
use http::HeaderMap;
use ramal_app::{EventFeed, FeedItem, FeedStart, FeedWish};
use ramal_domain::Timestamp;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::pairing::served;
use crate::{
    Web,
    error::ApiError,
    extract::{Authenticated, Query, header, number_header},
};

/// Where a stream that was cut left off.
const LAST_EVENT_ID: &str = "last-event-id";

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// What to hear of.
#[derive(Debug, Deserialize)]
struct FollowQuery {
    since: Option<String>,
    events: Option<String>,
}

impl FollowQuery {
    fn wish(self, headers: &HeaderMap) -> Result<FeedWish, ApiError> {
        let start = match (header(headers, LAST_EVENT_ID), self.since) {
            (Some(id), _) => FeedStart::After(id.to_owned()),
            (None, Some(since)) => {
                let since = since.parse::<Timestamp>();
                FeedStart::Since(
                    since.map_err(|error| ApiError::invalid(format!("since: {error}")))?,
                )
            }
            (None, None) => FeedStart::Now,
        };
        let names = self.events.unwrap_or_default();
        let kinds = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(FeedWish {
            start,
            number: number_header(headers).map(str::to_owned),
            kinds: kinds.map(str::to_owned).collect(),
        })
    }
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape is for the document only")]
struct StreamedEvent {
    /// Where to go on after the stream was cut: send it as `Last-Event-ID`. Of an event it is the id that
    /// webhooks get as `webhook-id`.
    #[schema(example = "evt_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// `ready` first, and then the event's name.
    #[schema(example = "message.received")]
    event: String,
    /// What webhooks are posted, in one line; of `ready`, `{}`.
    #[schema(example = "{\"event\":\"message.received\",\"data\":{}}")]
    data: String,
}

/// What happens, live, as server-sent events.
///
/// The tenant's key hears of all numbers, or of the one that the header names; a number's key of its own.
/// Begins with `ready`; what is committed after that is told, in the order in which it was recorded, and
/// nothing is left out. A stream that goes on after `Last-Event-ID` repeats nothing either. It ends when
/// the server stops, and when the key dies or moves to another number.
#[utoipa::path(
    get,
    path = "/events/stream",
    operation_id = "followEvents",
    tag = "events",
    params(
        ("since" = Option<String>, Query, description = "Begin with the first event that happened at or after this time, instead of now", format = DateTime, nullable = false, example = "2026-06-01T11:59:00.000Z"),
        ("events" = Option<String>, Query, description = "Names, with commas in between: these only", nullable = false, example = "message.received,message.reply"),
        ("last-event-id" = Option<String>, Header, description = "Go on after what carried this id; `since` has no effect then", nullable = false),
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The one number that a tenant's key wants to hear of", nullable = false),
    ),
    responses((status = 200, description = "A stream without an end of its own", body = StreamedEvent, content_type = "text/event-stream")),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_NOT_FOUND", "EVENT_NOT_FOUND"]))),
)]
async fn follow(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let feed = web.app.follow_events(caller, query.wish(&headers)?).await?;
    Ok(served(Sse::new(event_stream(feed, web.closing.clone()))))
}

/// Ends when the server stops, so that stopping never waits for who only listens.
fn event_stream(
    feed: EventFeed,
    closing: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((feed, closing), |(mut feed, closing)| async move {
        let item = closing.run_until_cancelled(feed.next()).await.flatten()?;
        Some((Ok(event(&item)), (feed, closing)))
    })
}

fn event(item: &FeedItem) -> Event {
    match item {
        FeedItem::Ready { place } => Event::default().id(place).event("ready").data("{}"),
        FeedItem::Event(told) => {
            Event::default().id(told.id.to_string()).event(told.kind.name()).data(&told.body)
        }
    }
}
