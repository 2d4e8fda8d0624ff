-- The first schema. Ids are text in their printed form, times are Unix milliseconds in bigint,
-- secrets are sealed (see vault.rs). The same file, but for the bytea type, the identity column and
-- the collation of session_state.key, stands in ../sqlite.

create table tenants (
    id            text   not null primary key,          -- ten_…
    name          text   not null,
    created_at_ms bigint not null
);

-- A WhatsApp number. `owner` and `epoch` fence the sessions: every write of session state carries
-- the epoch under which it was started, and fails once another node has taken the number over.
create table numbers (
    id                 text   not null primary key,     -- wa_…
    tenant_id          text   not null references tenants (id),
    phone              text   not null,                 -- digits of E.164
    name               text   not null,
    stage              text   not null check (stage in ('reserved', 'live', 'removed')),
    link               text   not null check (link in ('closed', 'pairing', 'open', 'resuming')),
    outage_reported    bigint not null default 0,       -- with link = resuming
    close_reason       text,                            -- with link = closed
    link_since_ms      bigint not null,
    connected_at_ms    bigint,                          -- of the present or last connection
    checked_at_ms      bigint,                          -- last proven round trip
    profile_name       text,
    jid                text,                            -- device JID, with link device number
    lid                text,
    owner              text,                            -- node_…
    epoch              bigint not null default 0,
    unlink_pending     bigint not null default 0,       -- the device is still linked on the phone
    settings           text   not null default '{}',
    pii_mode           text   not null default 'STORE_INDEFINITE',
    pii_retention_days bigint,
    removed_at_ms      bigint,
    restorable_until_ms bigint,
    created_at_ms      bigint not null,
    updated_at_ms      bigint not null
);
-- A tenant has a phone number once, unless it was removed.
create unique index numbers_phone_once on numbers (tenant_id, phone) where stage <> 'removed';
create index numbers_of_tenant on numbers (tenant_id, created_at_ms);
create index numbers_to_run on numbers (link) where stage = 'live';

create table api_keys (
    id              text   not null primary key,        -- key_…
    tenant_id       text   not null references tenants (id),
    number_id       text   references numbers (id),     -- null: the tenant's own key
    name            text   not null,
    hash            text   not null,                    -- SHA-256 of the raw key, hexadecimal
    sealed          bytea,                              -- the raw key of a number key, for reveal
    prefix          text   not null,
    last4           text   not null,
    last_used_at_ms bigint,
    revoked_at_ms   bigint,
    created_at_ms   bigint not null,
    constraint api_keys_hash_once unique (hash)
);
create index api_keys_of_number on api_keys (number_id);
create index api_keys_of_tenant on api_keys (tenant_id);

-- Everything that the WhatsApp library keeps for one number, as sealed key-value pairs.
create table session_state (
    number_id     text   not null references numbers (id) on delete cascade,
    space         text   not null,                      -- what kind of record: session, prekey, …
    key           text   collate "C" not null,          -- ordered by bytes, as on SQLite
    value         bytea   not null,                      -- sealed, bound to number, space and key
    expires_at_ms bigint,
    primary key (number_id, space, key)
);
create index session_state_expiry on session_state (expires_at_ms) where expires_at_ms is not null;

create table webhooks (
    id                text   not null primary key,      -- wh_…
    tenant_id         text   not null references tenants (id),
    number_id         text   not null references numbers (id) on delete cascade,
    name              text   not null,
    url               text   not null,
    events            text   not null,                  -- JSON array of names, or ["*"]
    active            bigint not null default 1,
    secret            bytea   not null,                  -- sealed
    last_triggered_at_ms bigint,
    created_at_ms     bigint not null,
    updated_at_ms     bigint not null
);
create index webhooks_of_number on webhooks (number_id);
create index webhooks_of_tenant on webhooks (tenant_id);

-- What happened, written in the transaction that made it happen.
create table events (
    seq           bigint generated always as identity primary key,  -- the order of commits
    id            text   not null unique,               -- evt_…
    tenant_id     text   not null references tenants (id),
    number_id     text   not null,                      -- no foreign key: outlives the number
    kind          text   not null,
    body          text   not null,                      -- JSON, never rebuilt
    created_at_ms bigint not null
);
create index events_of_number on events (number_id, created_at_ms);

-- One row per event and matching webhook: the outbox. See ramal-webhooks for who reads it.
create table deliveries (
    id              text   not null primary key,        -- dlv_…
    seq             bigint not null,                    -- the event's, so that first tries keep order
    event_id        text   not null references events (id),
    webhook_id      text   not null references webhooks (id) on delete cascade,
    state           text   not null default 'pending' check (state in ('pending', 'done', 'dead')),
    attempts        bigint not null default 0,          -- also the lease's fencing token
    due_at_ms       bigint not null,
    leased_until_ms bigint not null default 0,          -- 0: nobody holds it
    constraint deliveries_once unique (event_id, webhook_id)
);
create index deliveries_due on deliveries (due_at_ms) where state = 'pending';
create index deliveries_of_webhook on deliveries (webhook_id, seq);
-- Who is next in line? Without it, every look would walk through a webhook's whole history.
create index deliveries_in_line on deliveries (webhook_id, seq) where state = 'pending';

-- One row per try, as the delivery log shows it.
create table delivery_attempts (
    delivery_id   text   not null references deliveries (id) on delete cascade,
    attempt       bigint not null,
    webhook_id    text   not null,
    success       bigint not null,
    status_code   bigint,                               -- null: no answer
    response      text   not null,                      -- the first kilobytes, or the error
    duration_ms   bigint not null,
    created_at_ms bigint not null,
    primary key (delivery_id, attempt)
);
create index delivery_attempts_of_webhook on delivery_attempts (webhook_id, created_at_ms);

create table messages (
    id              text   not null primary key,        -- msg_…
    tenant_id       text   not null references tenants (id),
    number_id       text   not null references numbers (id) on delete cascade,
    direction       text   not null check (direction in ('in', 'out')),
    status          text   not null,
    peer            text   not null,                    -- digits of a phone number, or a JID
    wire_id         text   not null,                    -- WhatsApp's id, fixed before the first try
    correlation_id  text   not null,
    kind            text   not null,                    -- text, …
    content         text,
    peer_name       text,
    origin          text,                               -- API, …
    error_code      text,
    error_message   text,
    tries           bigint not null default 0,
    due_at_ms       bigint not null default 0,
    created_at_ms   bigint not null,                    -- inbound: WhatsApp's own time
    sent_at_ms      bigint,
    delivered_at_ms bigint,
    read_at_ms      bigint,
    constraint messages_wire_id_once unique (number_id, direction, peer, wire_id)
);
create index messages_queue on messages (number_id, created_at_ms) where status = 'QUEUED';
create index messages_of_wire_id on messages (number_id, wire_id);
create index messages_of_correlation on messages (correlation_id);

-- Answers to requests that carried an Idempotency-Key.
create table idempotency (
    scope         text   not null,                      -- tenant, number and operation
    key           text   not null,
    fingerprint   text   not null,                      -- of the request body
    status        bigint,                               -- null: still running
    response      text,
    created_at_ms bigint not null,
    primary key (scope, key)
);
create index idempotency_age on idempotency (created_at_ms);
