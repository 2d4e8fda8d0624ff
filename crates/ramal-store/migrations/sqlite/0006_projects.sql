-- The older grouping of the contract (C.22): kept for clients that create and list projects.

create table projects (
    id            text   not null primary key,          -- prj_…
    tenant_id     text   not null references tenants (id),
    name          text   not null,
    slug          text   not null,
    description   text   not null,
    created_at_ms bigint not null,
    constraint projects_slug_once unique (tenant_id, slug)
);
