-- Messages that are said elsewhere than in a chat of two, and contacts with two names. The same, but
-- for how a constraint is replaced, stands in ../postgres.

-- SQLite drops no constraint of a table, so the table is written anew.
create table messages_anew (
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
    -- '' for a chat of two, else the JID of a group or channel, or status@broadcast.
    place           text   not null default '',
    place_name      text
);
insert into messages_anew (id, tenant_id, number_id, direction, status, peer, wire_id,
    correlation_id, kind, content, peer_name, origin, error_code, error_message, tries, due_at_ms,
    created_at_ms, sent_at_ms, delivered_at_ms, read_at_ms)
  select id, tenant_id, number_id, direction, status, peer, wire_id,
    correlation_id, kind, content, peer_name, origin, error_code, error_message, tries, due_at_ms,
    created_at_ms, sent_at_ms, delivered_at_ms, read_at_ms
  from messages;
drop table messages;
alter table messages_anew rename to messages;
create index messages_queue on messages (number_id, created_at_ms) where status = 'QUEUED';
create index messages_of_wire_id on messages (number_id, wire_id);
create index messages_of_correlation on messages (correlation_id);

-- WhatsApp's ids are unique within a place and a sender. The order serves searches by peer as well.
create unique index messages_once on messages (number_id, peer, wire_id, direction, place);

-- What is known of a contact with a LID: its phone number, under which its messages are kept.
create table contacts (
    number_id text   not null references numbers (id) on delete cascade,
    lid       text   not null,                          -- 900100200300@lid
    phone     text   not null,                          -- digits of E.164
    primary key (number_id, lid)
);
