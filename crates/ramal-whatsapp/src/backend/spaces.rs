//! The kinds of records that one number's session consists of.
//!
//! Names are stored; renaming one loses its records.

/// The one device record: our keys, our JIDs, counters. Key: [`THE_DEVICE`].
pub(super) const DEVICE: &str = "device";
/// The key of the one record in [`DEVICE`].
pub(super) const THE_DEVICE: &str = "device";

/// Identity keys of other devices. Key: Signal address. Value: 32 bytes.
pub(super) const IDENTITY: &str = "identity";
/// Double-ratchet sessions. Key: Signal address. Value: the library's record.
pub(super) const SESSION: &str = "session";
/// One-time prekeys. Key: zero-padded id. Value: the library's record.
pub(super) const PREKEY: &str = "prekey";
/// Signed prekeys. Key: zero-padded id. Value: the library's record.
pub(super) const SIGNED_PREKEY: &str = "signed-prekey";
/// Group sender keys. Key: sender-key name. Value: the library's record.
pub(super) const SENDER_KEY: &str = "sender-key";

/// App-state sync keys. Key: hexadecimal id. Value: JSON.
pub(super) const SYNC_KEY: &str = "sync-key";
/// Which sync key came last. Key: [`THE_LATEST`]. Value: its raw id.
pub(super) const LATEST_SYNC_KEY: &str = "latest-sync-key";
/// The key of the one record in [`LATEST_SYNC_KEY`].
pub(super) const THE_LATEST: &str = "latest";
/// App-state versions and hashes. Key: collection. Value: JSON.
pub(super) const VERSION: &str = "version";
/// MACs of app-state mutations. Key: collection, hexadecimal index MAC. Value: the value MAC.
pub(super) const MUTATION_MAC: &str = "mutation-mac";

/// Which devices of a group hold our sender key. Key: group. Value: JSON map from device to bool.
pub(super) const SENDER_KEY_DEVICES: &str = "sender-key-devices";
/// LID to phone number. Key: LID user. Value: JSON.
pub(super) const LID: &str = "lid";
/// Phone number to LID: points into [`LID`]. Key: phone number. Value: LID user.
pub(super) const PHONE_LID: &str = "phone-lid";
/// Base keys of sessions that a peer asked to retry. Key: address, message id. Expires.
pub(super) const BASE_KEY: &str = "base-key";
/// Device lists of other users. Key: user. Value: JSON.
pub(super) const DEVICE_LIST: &str = "device-list";
/// Group metadata. Key: group. Value: the library's blob.
pub(super) const GROUP: &str = "group";
/// Trusted-contact tokens. Key: JID. Value: JSON.
pub(super) const TC_TOKEN: &str = "tc-token";
/// Sent messages, kept for retries. Key: chat, message id. Value: protobuf. Expires.
pub(super) const SENT: &str = "sent";
/// Decrypted messages that are not committed yet. Key: chat, sender, id. Value: protobuf. Expires.
pub(super) const PENDING_INBOUND: &str = "pending-inbound";

/// Message secrets. Key: chat, sender, message id. Value: JSON. May expire.
pub(super) const MSG_SECRET: &str = "msg-secret";
