-- What is forgotten, and when. The same, but for how JSON is read, stands in ../sqlite.

alter table events add column message_id text;          -- the message that it tells of
alter table events add column to_forget bigint not null default 0;  -- 1: once nobody waits for it
-- No function of PostgreSQL's reads a JSON text that says NUL.
update events set message_id = substring(body from '"id":"(msg_[0-9a-z]+)"')
  where substr(kind, 1, 8) = 'message.';
create index events_of_message on events (message_id) where message_id is not null;
create index events_to_forget on events (seq) where to_forget = 1 and redacted = 0;

-- A message's days are counted from when it was said.
drop index messages_kept;
create index messages_kept on messages
  (number_id, (coalesce(sent_at_ms, created_at_ms))) where redacted = 0;
create index messages_with_links on messages (media_until_ms)
  where redacted = 1 and media is not null;

-- What authors did to messages that had not come yet.
create table early_amendments (
    number_id text   not null references numbers (id) on delete cascade,
    wire_id   text   not null,                          -- WhatsApp's id of the message
    author    text   not null,                          -- '': the number itself; else as messages.peer
    deleted   bigint not null,                          -- 0: it was edited
    content   text,                                     -- what it says since
    at_ms     bigint not null,
    primary key (number_id, wire_id, author)
);
create index early_amendments_age on early_amendments (at_ms);

-- What should have been forgotten before.
update delivery_attempts set response = '' where status_code is not null and delivery_id in
  (select d.id from events e join deliveries d on d.event_id = e.id where e.redacted = 1);
update messages set payload = null where revoked_at_ms is not null and status <> 'QUEUED';
update events set to_forget = 1 where redacted = 0 and kind <> 'message.deleted' and message_id in
  (select id from messages where revoked_at_ms is not null or redacted = 1);
