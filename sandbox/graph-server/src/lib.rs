//! An offline Graph server: the parts of WhatsApp's Cloud API that a gateway calls.
//!
//! It stands for Meta, and for the people and businesses on WhatsApp. It listens on loopback only,
//! keeps everything in memory, and posts webhooks to callbacks on this machine only. What it knows
//! of Graph comes from Meta's documentation; it shares no code with any client.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let server = graph_server::GraphServer::start(graph_server::Options::default()).await?;
//! println!("Graph is at {}/v25.0, its control API at {}", server.graph_url(), server.control_url());
//! # Ok(())
//! # }
//! ```
//!
//! # Graph
//!
//! Under `/v{21 or newer}.0/`, with tokens, scopes, target ids and `appsecret_proof` checked:
//! `debug_token`, `oauth/access_token`, `/{waba}`, `/{waba}/phone_numbers`, `/{waba}/subscribed_apps`,
//! `/{waba}/message_templates`, `/{phone}` and below it `register`, `deregister`, `request_code`,
//! `verify_code`, `smb_app_data`, `media`, `messages` and `whatsapp_business_profile`, `/{media}`,
//! `/{app}/subscriptions`; and the address where files are downloaded. `/sdk.js` and `/dialog` stand
//! for Meta's JavaScript SDK and the dialog of Embedded Signup.
//!
//! # Control API
//!
//! Under `/__emu` of the server, or wherever [`GraphServer::control`] is nested. JSON in and out;
//! errors are `{"error": "a sentence", "code": "STABLE"}`. An empty body counts as `{}`.
//!
//! | call | body | what it does |
//! | --- | --- | --- |
//! | `POST /businesses` | `name?, number?, app?{…as below}, appId?, waba?{node fields}, phone?{node fields}, pin?, registered?, scopes?, expiresIn?` | A whole business, ready to send (PIN `000000` unless `registered` is `false`): answers `{appId, appSecret, configId, wabaId, businessId, phoneId, number, pin, token}` |
//! | `POST /apps` | `id?, secret?, name?, requireProof?, callbackUrl?, verifyToken?, fields?` | An app; its callback is taken without asking |
//! | `POST /apps/{id}` | the same but `id` | Changes it |
//! | `POST /wabas` | `name?, businessId?, waba?{node fields}` | An account with three approved templates: `hello_world`, `order_update` (`{{1}}`, `{{2}}`, an address with `{{1}}`), `appointment_reminder` (named), all `en_US` |
//! | `POST /wabas/{id}` | node fields | Changes it, silently |
//! | `POST /wabas/{id}/templates` | `name, components, language?, category?, status?, parameterFormat?` | Adds or replaces a template |
//! | `POST /wabas/{id}/account-update` | `event, …` | Posts `account_update`. `PARTNER_REMOVED` also ends the subscription and the tokens (190 with 458) of `waba_info.partner_app_id`, or of every app |
//! | `POST /wabas/{id}/review` | `decision` | Posts `account_review_update`; the account shows it |
//! | `POST /wabas/{id}/webhooks` | `field, value` | Posts any change of the account |
//! | `POST /numbers` | `wabaId, number?, name?, registered?, pin?, phone?{node fields}` | Another number |
//! | `POST /numbers/{id}` | node fields (`status`, `quality_rating`, `code_verification_status`, `is_on_biz_app`, …), `pin` | Changes it, silently |
//! | `POST /numbers/{id}/messages` | `from`, and `text` or `type` and the object of that name as webhooks have it (`reaction`, `interactive`, …); `name?, quote?, base64?, id?` and any other part of the message | A person writes: opens the window. Files need no bytes; `base64` gives them. Answers `{id, userId, webhooks}` |
//! | `POST /numbers/{id}/quality` | `rating?, event?, currentLimit?, oldLimit?` | Posts `phone_number_quality_update`; the number shows it |
//! | `POST /numbers/{id}/name` | `decision, name?, reason?` | Posts `phone_number_name_update`; an approved name is shown after the next registration |
//! | `POST /numbers/{id}/history` | `threads` (`null`: declined) | What a coexistence number shares when it is asked: media first as `media_placeholder`, and then whole, under the same id |
//! | `POST /numbers/{id}/webhooks` | `field, value` | Posts any change of the number, such as `smb_message_echoes` |
//! | `POST /tokens` | `appId, scopes?, wabaIds?, expiresIn?, kind?` | A token |
//! | `POST /tokens/revoke` | `token, subcode?` | Ends it (190 with 460, or the subcode) |
//! | `POST /tokens/expire` | `token, expiresIn?` | Lets it run out, now or later (190 with 463) |
//! | `POST /codes` | `appId, wabaIds, scopes?, tokenExpiresIn?` | A code as the dialog hands it over: 30 seconds, once |
//! | `POST /contacts/{number}` | `name?, username?, waId?, hidden?, absent?` | A person. `hidden`: businesses see no number. `absent`: not on WhatsApp. Answers with `userIds` by portfolio |
//! | `GET /contacts/{number}/messages` | | What the person sees |
//! | `POST /contacts/{number}/read` | `phoneId?, id?` | The person reads what was sent |
//! | `GET /messages` | | What businesses sent, with statuses |
//! | `POST /messages/{id}/status` | `status, code?` | Makes a message reach a status |
//! | `GET /inbound` | | What people wrote, with `readAt` and `typingAt` |
//! | `GET /calls?route=&method=` | | Calls of Graph with bodies and answers, oldest first; `DELETE` forgets them |
//! | `GET /webhooks` | | Webhooks: exact `body`, `signature`, `state`, `attempts`; `DELETE` forgets them, also those on their way |
//! | `POST /webhooks/flush` | | Posts what is collected or held back |
//! | `POST /faults` | `route, method?, id?, times?` and one of `code` (with `subcode?`), `status`, `hang: true`, `drop: "before"\|"after"`, `fail` | What goes wrong with the next calls of a route (as `/calls` names it, or `*`): refused with a code, answered by an HTTP status without JSON, never answered, connection cut before or after it took effect, or accepted and `failed` later. `GET` shows, `DELETE` clears |
//! | `POST /settings` | any of `duplicate, reorder, batch, signature: good\|bad\|missing, bsuidOnly, windowErrors: async\|sync, autoStatuses: off\|sent\|delivered\|read, statusDelayMs, retryDelaysMs, selfInspection, codeFirst, omitSessionInfo` | The switches; `GET` shows them |
//! | `POST /clock` | `advanceSeconds` | Lets time pass; `GET` shows it |
//! | `GET /state` | | Everything else |
#![deny(missing_docs)]

mod clock;
mod connection;
mod control;
mod dialog;
mod graph;
mod ids;
mod send;
mod server;
mod state;
mod webhooks;

pub use control::ControlError;
pub use server::{GraphServer, Options};
