-- Hosted pairing links (contract C.13): whoever has the token may pair the number, once.

create table pairing_links (
    id            text   not null primary key,          -- lnk_…
    number_id     text   not null references numbers (id) on delete cascade,
    token_hash    text   not null,                      -- SHA-256 of the token, hexadecimal
    language      text,                                 -- pt-BR, en, es; null: as the browser asks
    branding      text   not null,                      -- JSON, of this link only
    redirect_url  text,                                 -- where the page goes after success
    external_ref  text,                                 -- the caller's own, given back
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    used_at_ms    bigint,                               -- when it was first seen that it has paired
    revoked_at_ms bigint,
    constraint pairing_links_token_once unique (token_hash)
);
create index pairing_links_of_number on pairing_links (number_id);
create index pairing_links_age on pairing_links (expires_at_ms);
