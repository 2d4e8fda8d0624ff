-- Pairing attempts, so that one look answers why a QR code does nothing. The same file stands in
-- ../postgres.
create table pairing_attempts (
    number_id          text   not null references numbers (id) on delete cascade,
    epoch              bigint not null,               -- of the session that began it
    started_at_ms      bigint not null,
    qr_at_ms           bigint,                        -- the first QR code
    qr_codes           bigint not null default 0,     -- how many were shown
    code_at_ms         bigint,                        -- the (last) pairing code
    scanned_at_ms      bigint,                        -- the phone answered
    ended_at_ms        bigint,                        -- null: under way
    outcome            text   check (outcome in ('open', 'expired', 'refused', 'failed')),
    reason             text,                          -- a close reason, or SUPERSEDED
    primary key (number_id, epoch)
);
