-- Webhooks: secrets that are rotated, endpoints that fail, deliveries that are asked for again; and
-- indexes by which a leaser finds its work without walking through a backlog. The same file, but for
-- the bytea type, stands in ../postgres.

alter table webhooks add column old_secret blob;                -- sealed; signs beside the new one
alter table webhooks add column old_secret_until_ms bigint;
alter table webhooks add column failing_since_ms bigint;        -- first failure since the last success
alter table webhooks add column inactive_since_ms bigint;       -- with active = 0
alter table webhooks add column disabled_reason text;           -- GONE, FAILING: by us; null: by the customer
update webhooks set inactive_since_ms = updated_at_ms where active = 0;

-- Whether an attempt was settled; until then a delivery keeps its place in line.
alter table deliveries add column tried bigint not null default 0;
-- When it was last asked for again: attempts from before do not count for giving up.
alter table deliveries add column renewed_at_ms bigint not null default 0;
update deliveries set tried = 1
 where attempts > 0 and (leased_until_ms = 0 or exists
     (select 1 from delivery_attempts a where a.delivery_id = deliveries.id));

-- What else the log has to say, such as that the webhook was disabled.
alter table delivery_attempts add column note text;

create index deliveries_untried on deliveries (webhook_id, seq) where state = 'pending' and tried = 0;
create index deliveries_retries on deliveries (webhook_id, due_at_ms) where state = 'pending' and tried = 1;
create index deliveries_leased on deliveries (webhook_id, leased_until_ms) where state = 'pending';
create index events_age on events (created_at_ms);
create index events_of_creation on events (tenant_id, created_at_ms) where kind = 'number.created';
