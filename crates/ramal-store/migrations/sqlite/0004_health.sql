-- What is wrong with a number beyond its not being connected, until it has been open for a while; and
-- the passkey step of pairing attempts. The same file stands in ../postgres and ../sqlite.

alter table numbers add column health text;                     -- a health code; null: well
alter table numbers add column health_since_ms bigint;          -- with health
alter table numbers add column health_until_ms bigint;          -- of a restriction, if WhatsApp said so
alter table numbers add column losses text not null default ''; -- when it was last lost: ms, with commas

alter table pairing_attempts add column action_at_ms bigint;    -- a person was asked to do something
