-- Official numbers (Meta's Cloud API) beside QR-paired ones. The same file, but for the blob type,
-- stands in ../postgres.

alter table numbers add column provider text not null default 'PILOT_STATUS';

-- What an official number is at Meta. Secrets are sealed, each bound to its row and column.
create table official_numbers (
    number_id     text   not null primary key references numbers (id) on delete cascade,
    phone_id      text   not null,                      -- Meta's phone number id
    waba_id       text   not null,                      -- its WhatsApp Business account
    app_id        text,                                 -- the app that the token is of, if known
    operators_app bigint not null default 0,            -- 1: the app of this server's operator
    token         blob   not null,
    app_secret    blob,                                 -- null: the operator's, from the configuration
    pin           blob,                                 -- of the two-step verification, if known
    verify_token  blob   not null,                      -- what Meta says when it tries our callback
    token_expires_at_ms bigint,                         -- null: never, or not known
    onboarding    text   not null,                      -- JSON: how far each step has come
    snapshot      text,                                 -- JSON: what Meta says of the number
    looked_at_ms  bigint,                               -- when that was read
    look_due_ms   bigint not null default 0,            -- when it is to be read again
    leaving       bigint not null default 0,            -- 1: to be unsubscribed and deregistered
    leave_tries   bigint not null default 0
);
create index official_numbers_phone on official_numbers (phone_id);

-- News of Meta's that was taken in and leaves no other trace by which a repeat is recognised.
create table official_seen (
    number_id  text   not null references numbers (id) on delete cascade,
    key        text   not null,
    seen_at_ms bigint not null,
    primary key (number_id, key)
);
create index official_seen_age on official_seen (seen_at_ms);

alter table messages add column payload text;           -- JSON: what is sent, until it is sent
alter table messages add column began_at_ms bigint;     -- when the try began whose outcome is not known
alter table messages add column mark_read bigint not null default 0;  -- of an outbound one: mark what it answers
alter table messages add column pricing text;           -- JSON: what Meta says that it costs
alter table messages add column quoted_id text;         -- WhatsApp's id of what it answers
alter table messages add column media text;             -- JSON: media of an inbound one
alter table messages add column media_hash text;        -- SHA-256 of the secret in its link
alter table messages add column media_until_ms bigint;  -- how long that link is good
create unique index messages_of_media on messages (media_hash) where media_hash is not null;

-- The bytes of media that a caller handed in, until they are sent.
create table outbound_media (
    message_id text not null primary key references messages (id) on delete cascade,
    bytes      blob not null
);

-- Hosted links by which a person connects an official number. There is no number before that.
create table signup_links (
    id            text   not null primary key,          -- lnk_…
    tenant_id     text   not null references tenants (id),
    token_hash    text   not null,
    flow          text   not null,                      -- embedded or credentials
    name          text,                                 -- what the number will be called, if chosen
    key_id        text,                                 -- the key that moves to the new number
    language      text,
    branding      text   not null,
    redirect_url  text,
    external_ref  text,
    settings      text   not null default '{}',
    state_hash    text,                                 -- of the one page that may go on
    pending       blob,                                 -- sealed: what waits for the person's choice
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    used_at_ms    bigint,
    revoked_at_ms bigint,
    number_id     text   references numbers (id) on delete set null,  -- what came of it
    constraint signup_links_token_once unique (token_hash)
);
create index signup_links_of_tenant on signup_links (tenant_id, created_at_ms);
create index signup_links_age on signup_links (expires_at_ms);
