-- People: who signs in to the dashboard, what a tenant chose for its pages, and who did what. The same
-- file, but for the blob type, stands in ../postgres and ../sqlite.

create table users (
    id              text   not null primary key,        -- usr_…
    tenant_id       text   not null references tenants (id),
    email           text   not null,                    -- lower case; what one signs in with
    role            text   not null check (role in ('owner', 'viewer')),
    password_hash   text   not null,                    -- argon2id, in the PHC format
    created_at_ms   bigint not null,
    signed_in_at_ms bigint,
    constraint users_email_once unique (email)
);
create index users_of_tenant on users (tenant_id);

-- A browser that is signed in.
create table sign_ins (
    token_hash    text   not null primary key,          -- SHA-256 of the cookie, hexadecimal
    user_id       text   not null references users (id) on delete cascade,
    user_agent    text   not null,
    created_at_ms bigint not null,
    seen_at_ms    bigint not null,
    expires_at_ms bigint not null
);
create index sign_ins_of_user on sign_ins (user_id);
create index sign_ins_age on sign_ins (expires_at_ms);

-- Links by which a person signs in for the first time and chooses a password.
create table invitations (
    token_hash    text   not null primary key,          -- SHA-256 of the link's secret, hexadecimal
    tenant_id     text   not null references tenants (id),
    role          text   not null check (role in ('owner', 'viewer')),
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    used_at_ms    bigint
);
create index invitations_age on invitations (expires_at_ms);

-- What a tenant chose for the pages that its customers see. No row: the defaults.
create table tenant_settings (
    tenant_id       text   not null primary key references tenants (id),
    branding        text   not null default '{}',       -- JSON (contract C.20)
    wrong_phone     text   not null default 'reject' check (wrong_phone in ('reject', 'adopt', 'ask')),
    allowed_origins text   not null default '[]',       -- JSON array: who may embed the connect page
    official_url    text,                               -- where customers get the official API
    updated_at_ms   bigint not null
);

-- Pictures that were uploaded for branding.
create table logos (
    id            text   not null primary key,          -- logo_…
    tenant_id     text   not null references tenants (id),
    mime_type     text   not null,
    content       blob   not null,
    created_at_ms bigint not null
);
create index logos_of_tenant on logos (tenant_id);

-- Who did what, written in the transaction that did it.
create table audit_log (
    id            text   not null primary key,          -- aud_…, in the order of time
    tenant_id     text   not null references tenants (id),
    actor_kind    text   not null,                      -- user, key, system
    actor_id      text   not null,
    actor_name    text   not null,
    action        text   not null,                      -- number.create, webhook.update, …
    target        text   not null,                      -- the id of what it was done to; may be empty
    detail        text   not null default '',
    created_at_ms bigint not null
);
create index audit_log_of_tenant on audit_log (tenant_id, id);
create index audit_log_age on audit_log (created_at_ms);

-- What to do when another phone than the expected one scans; null: as the tenant chose.
alter table pairing_links add column wrong_phone text;
-- A second secret, for the person who has the passkey when that is not the one with the phone.
alter table pairing_links add column helper_hash text;
create unique index pairing_links_helper_once on pairing_links (helper_hash);
