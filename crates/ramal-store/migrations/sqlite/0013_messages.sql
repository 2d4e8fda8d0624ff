-- Messages both ways, whole: when they may leave, what they were made from, what became of them since,
-- and whether their contents are still kept. The same file stands in ../postgres.

alter table messages add column not_before_ms bigint not null default 0;  -- deliverAt; 0: at once
alter table messages add column until_ms bigint;        -- deliverUntil
alter table messages add column template text;          -- the template's name, if it was made from one
alter table messages add column labels text not null default '[]';  -- JSON: what the caller calls it
alter table messages add column edited_at_ms bigint;    -- when its author changed it
alter table messages add column revoked_at_ms bigint;   -- when its author deleted it for everybody
alter table messages add column redacted bigint not null default 0;  -- 1: contents are not kept
alter table events add column redacted bigint not null default 0;    -- 1: likewise
create index messages_said on messages
  (number_id, (coalesce(sent_at_ms, created_at_ms) / 1000), id);
-- With the whole order of the queue, so that finding its head reads no other messages of the number.
drop index messages_queue;
create index messages_queue on messages (number_id, created_at_ms, id) where status = 'QUEUED';
create index messages_kept on messages (number_id, created_at_ms) where redacted = 0;
create index events_kept on events (number_id, created_at_ms) where redacted = 0;
