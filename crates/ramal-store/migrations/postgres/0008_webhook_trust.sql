-- Webhooks: which of them have earned more than one slot, what may judge them, and deletion that does
-- not hold everyone up. The same file stands in ../postgres and ../sqlite.

-- Whether the last attempt that counted was a quick success.
alter table webhooks add column proven bigint not null default 0;
-- Activation, or another address: attempts from before say nothing of its health.
alter table webhooks add column judged_since_ms bigint not null default 0;
-- A replay is running; it has died when this has passed.
alter table webhooks add column replaying_until_ms bigint not null default 0;
-- Nobody sees it any more; its deliveries are swept in batches, then it goes.
alter table webhooks add column deleted_at_ms bigint;
update webhooks set proven = 1 where failing_since_ms is null and last_triggered_at_ms is not null;
create index webhooks_deleted on webhooks (deleted_at_ms) where deleted_at_ms is not null;

-- The event's kind, so that a log of one kind does not walk through the others.
alter table delivery_attempts add column kind text not null default '';
update delivery_attempts set kind = coalesce(
    (select e.kind from deliveries d join events e on e.id = d.event_id
     where d.id = delivery_attempts.delivery_id), '');
create index delivery_attempts_of_kind on delivery_attempts (webhook_id, kind, created_at_ms);

-- A replay goes through a number's events in their order, page by page.
create index events_in_order on events (number_id, seq);
