-- Queues that are looked at without walking through them, and numbers that Meta slows down. The same file
-- stands in ../sqlite.

create index messages_begun on messages (number_id, began_at_ms)
  where status = 'QUEUED' and began_at_ms is not null;
create index messages_until on messages (until_ms) where status = 'QUEUED' and until_ms is not null;

-- Meta said that the number sends too much: nothing of it is tried before.
alter table official_numbers add column paused_until_ms bigint not null default 0;
