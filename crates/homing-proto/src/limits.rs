//! Every bound of the system, with its reason (W-7). A bound that stands elsewhere is a mistake.

/// The protocol version spoken here.
pub const PROTO: u32 = 1;
/// The lowest protocol version taken here.
pub const PROTO_MIN: u32 = 1;

/// Bytes of a frame once a session is bound: room for a page of sync (W-7).
pub const FRAME_MAX: usize = 1024 * 1024;
/// Bytes of a frame before a session is bound: a stranger may not make the server buffer more
/// (W-7). A Hello with the largest token and extension fits.
pub const FRAME_MAX_UNBOUND: usize = 16 * 1024;
/// Items in the lists of one frame, all together: a page of sync with every device and every outbox
/// head fits, while a megabyte of two-byte items is not built into a hundred megabytes (W-7).
pub const FRAME_ITEMS: usize = 1024;
/// Bytes of the head of an HTTP request: what browsers and proxies add to it fits, and so does a
/// token among the sub-protocols (W-2) of up to some 6 KiB.
pub const HTTP_HEAD_BYTES: usize = 8 * 1024;
/// Headers of an HTTP request: browsers send under 30, proxies add a few.
pub const HTTP_HEADERS: usize = 64;
/// From accept to a valid Hello (W-7): slow enough for a bad mobile link, short enough that idle
/// strangers do not pile up.
pub const HELLO_TIMEOUT_MS: u64 = 10_000;
/// EndSession frames taken on one connection: all logout jobs of a device at once.
pub const END_SESSIONS_PER_CONNECTION: u32 = 8;

/// Bytes of a user id (S-1.2).
pub const USER_ID_BYTES: usize = 32;
/// Bytes of a user name (S-1.2).
pub const USER_NAME_BYTES: usize = 256;
/// Bytes of a device's tag and of its OS string (S-1.3).
pub const DEVICE_TEXT_BYTES: usize = 32;
/// Bytes of the SDK's name in Hello.
pub const SDK_TEXT_BYTES: usize = 64;
/// Bytes of a token (S-8.2): real ones have 200 to 2 000.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Bytes a packed token may grow to when it is unpacked (S-8.2).
pub const TOKEN_INFLATED_BYTES: usize = 16 * 1024;
/// Bytes of a key of an app: an asymmetric key in PEM has 200 to 500.
pub const KEY_BYTES: usize = 8 * 1024;
/// Bytes of the public name of a key (key id, app key).
pub const KEY_NAME_BYTES: usize = 128;
/// Seconds that a `nim-dynamic` credential may live where the app does not say otherwise (S-8.1): a
/// day, five digits, so that the parts of its formula are read in one way only.
pub const NIM_TTL_S: u64 = 24 * 60 * 60;
/// The most that an app may allow in place of [`NIM_TTL_S`].
pub const NIM_TTL_MAX_S: u64 = 30 * 24 * 60 * 60;
/// Bytes of a static token (S-8.1); fewer than 16 could be guessed.
pub const STATIC_TOKEN_BYTES: usize = 128;
/// See [`STATIC_TOKEN_BYTES`].
pub const STATIC_TOKEN_MIN_BYTES: usize = 16;
/// For an app's own server to answer about a credential, connecting and waiting included (S-8.1).
pub const THIRD_PARTY_MS: u64 = 2_000;
/// When a login whose credential nobody could judge is worth another try.
pub const THIRD_PARTY_RETRY_MS: u32 = 5_000;
/// Bytes of the address of an app's own server.
pub const WEBHOOK_URL_BYTES: usize = 1024;
/// Bytes of a line of `token verify --batch`: a full token with every byte escaped, and the rest.
pub const BATCH_LINE_BYTES: usize = 64 * 1024;
/// Bytes of a login extension (S-3.1).
pub const LOGIN_EXTENSION_BYTES: usize = 4 * 1024;
/// Bytes of a text that explains (kick record, refusal).
pub const TEXT_BYTES: usize = 256;

/// Bytes of a message's content (D-1).
pub const CONTENT_BYTES: usize = 12 * 1024;
/// Messages in one page of history.
pub const HISTORY_PAGE: u32 = 100;
/// Entries in one page of sync; about 100 KB of ordinary messages.
pub const SYNC_ENTRIES: usize = 500;
/// Bytes of entries in one page of sync: half a frame, so that one more entry always fits.
pub const SYNC_BYTES: usize = FRAME_MAX / 2;
/// Entries that a device may be behind before it gets a window instead (D-3).
pub const SYNC_BEHIND: u64 = 5_000;
/// Conversations in a window (D-3).
pub const WINDOW_CONVERSATIONS: u32 = 20;
/// Messages per conversation in a window.
pub const WINDOW_MESSAGES: u32 = 20;
/// Users in one presence question.
pub const PRESENCE_USERS: usize = 500;
/// Users created in one request (V-3).
pub const USERS_PER_BATCH: usize = 100;
/// Users in one page of a list (V-3).
pub const USERS_PER_PAGE: usize = 100;

/// Requests in flight on one link; also the most client message ids in a Hello.
pub const IN_FLIGHT: usize = 64;
/// Requests over a bound in a row that are answered with what is wrong (W-7); the next one closes.
pub const IN_FLIGHT_EXCESS: usize = 64;
/// What such an answer says about coming back: several round trips of a bad mobile link.
pub const IN_FLIGHT_RETRY_MS: u32 = 1_000;
/// Messages that may wait in one account's outbox.
pub const OUTBOX: usize = 10_000;
/// Pushes held back while one before them is missing.
pub const PUSH_BUFFER: usize = 256;
/// How long a push is held back before a page is asked for (D-3).
pub const PUSH_HOLD_MS: u64 = 700;
/// A data sync in which nothing comes in and nothing is stored for this long ends with an error: past
/// what a request or a slow disk may take (S-2.4).
pub const SYNC_PROGRESS_MS: u64 = 30_000;
/// Bytes queued for one connection before it is cut off as a slow reader (W-7). The log keeps
/// what it did not read.
pub const OUTBOUND_BYTES: usize = 4 * 1024 * 1024;

/// The server's ping (S-6.4).
pub const PING_MS: u64 = 25_000;
/// A client hears nothing for this long: the link is dead. One ping and its delay (B-12).
pub const LIVENESS_MS: u64 = 30_000;
/// The server hears nothing for this long: the connection is dead. Two pings and a delay.
pub const SERVER_LIVENESS_MS: u64 = 60_000;
/// A connection attempt may take this long (S-6.5).
pub const CONNECT_TIMEOUT_MS: u64 = 8_000;
/// A Hello, once sent, is answered within this or the attempt failed.
pub const WELCOME_TIMEOUT_MS: u64 = 10_000;
/// A request unanswered for this long, on a link that is alive otherwise, costs the link.
pub const REQUEST_TIMEOUT_MS: u64 = 15_000;
/// The client asks whether anybody is there when a request is unanswered for this long, or for
/// three round trips if that is more (S-6.4).
pub const PROBE_AFTER_MS: u64 = 2_000;
/// Silence after a question, or four round trips if that is more: the link is dead (S-6.4).
pub const DEAD_AFTER_MS: u64 = 5_000;
/// What the local store or the server refused for now is tried again after this.
pub const RETRY_MS: u64 = 5_000;
/// Back-off: first and largest span of the random wait (S-6.2).
pub const BACKOFF_BASE_MS: u64 = 500;
/// Back-off cap in the foreground (S-6.2).
pub const BACKOFF_CAP_MS: u64 = 20_000;
/// Back-off cap in the background (S-6.2).
pub const BACKOFF_CAP_BACKGROUND_MS: u64 = 300_000;
/// A link must have lived this long before the back-off starts anew (S-6.2).
pub const PROVEN_LIFE_MS: u64 = 10_000;
/// Attempts in any window of [`ATTEMPT_WINDOW_MS`] (S-6.2, I16).
pub const ATTEMPTS_PER_WINDOW: usize = 12;
/// See [`ATTEMPTS_PER_WINDOW`].
pub const ATTEMPT_WINDOW_MS: u64 = 60_000;
/// A hint never brings attempts closer together than this (S-6.3).
pub const ATTEMPT_SPACING_MS: u64 = 500;

/// An attempt that has taken this long when the network changes or the device wakes is begun anew:
/// longer than a good way needs for connection and Hello, shorter than a user waits (S-6.3).
pub const STALE_ATTEMPT_MS: u64 = 1_000;

/// Explicit logins that may reach the network within [`LOGIN_WINDOW_MS`] (S-3.5).
pub const LOGINS_PER_WINDOW: usize = 5;
/// See [`LOGINS_PER_WINDOW`].
pub const LOGIN_WINDOW_MS: u64 = 10_000;
/// An explicit login's default time limit (S-3.1).
pub const LOGIN_TIMEOUT_MS: u64 = 30_000;
/// Dials within one explicit login (S-3.1).
pub const LOGIN_DIALS: u32 = 3;

/// A session without a connection still counts as online for this long (S-1.6).
pub const LINGER_MS: u64 = 60_000;
/// A session without a connection ends by itself after this long (S-1.6).
pub const SESSION_AGE_MS: u64 = 30 * DAY_MS;
/// A kick record is kept this long unless it is acknowledged (S-7.6).
pub const KICK_RECORD_AGE_MS: u64 = 30 * DAY_MS;
/// A message's client id is remembered this long (D-1).
pub const DEDUPE_AGE_MS: u64 = 30 * DAY_MS;
/// Refused credentials remembered by a device (S-8.5).
pub const REFUSED_HASHES: usize = 32;
/// Kick records and ended sessions kept with a user besides the living ones.
pub const ENDED_SESSIONS: usize = 32;
/// Of those, sessions that ended without a kick record (logout, replaced by the device's next
/// login): a late resume of one is told so. Nobody waits for them, so few are enough.
pub const ENDED_PLAINLY: usize = 8;
/// The app's provider of credentials may take this long; then it is asked again later (S-8.4).
pub const PROVIDER_TIMEOUT_MS: u64 = 30_000;
/// The server warns this long before a credential expires (S-8.3).
pub const EXPIRY_WARNING_MS: u64 = 30_000;
/// Leeway for an issue time in the future (S-8.2).
pub const ISSUE_LEEWAY_S: u64 = 300;
/// Devices of one account on one platform, web and others alike (S-7.1).
pub const SESSIONS_PER_PLATFORM: u32 = 10;
/// Sessions of one account in total: ten on the web and ten elsewhere (S-7.1).
pub const SESSIONS_PER_USER: u32 = 20;
/// Two lives of one device id swap within this: they are two machines (S-7.10).
pub const DEVICE_SWAP_MS: u64 = 60_000;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
