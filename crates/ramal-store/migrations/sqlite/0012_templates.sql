-- Templates of a tenant's own: texts with variables, for QR-paired numbers. Each change of what a template
-- says is a version of its own. The same file stands in ../postgres and ../sqlite.

create table templates (
    id            text   not null primary key,          -- tpl_…
    tenant_id     text   not null references tenants (id),
    name          text   not null,                      -- what it is sent by
    category      text   not null check (category in ('UTILITY', 'MARKETING', 'OTP')),
    version       bigint not null,                      -- the newest one
    created_at_ms bigint not null,
    updated_at_ms bigint not null,
    deleted_at_ms bigint                                -- nobody sees it any more
);
-- A name is free again once its template is deleted.
create unique index templates_name_once on templates (tenant_id, name) where deleted_at_ms is null;
create index templates_gone on templates (deleted_at_ms) where deleted_at_ms is not null;

create table template_versions (
    template_id   text   not null references templates (id) on delete cascade,
    version       bigint not null,                      -- 1, 2, …
    language      text,
    body          text   not null,                      -- may be empty where media need no words
    footer        text,
    media_kind    text,                                 -- image, video, document, audio, voice, sticker
    media_url     text,                                 -- present with media_kind
    file_name     text,
    buttons       text   not null default '[]',         -- JSON array
    author        text   not null,                      -- who wrote it, as people know them
    created_at_ms bigint not null,
    primary key (template_id, version)
);
