-- Messages that are said elsewhere than in a chat of two, and contacts with two names. The same, but
-- for how a constraint is replaced, stands in ../sqlite.

-- '' for a chat of two, else the JID of a group or channel, or status@broadcast.
alter table messages add column place text not null default '';
alter table messages add column place_name text;

-- WhatsApp's ids are unique within a place and a sender. The order serves searches by peer as well.
alter table messages drop constraint messages_wire_id_once;
create unique index messages_once on messages (number_id, peer, wire_id, direction, place);

-- What is known of a contact with a LID: its phone number, under which its messages are kept.
create table contacts (
    number_id text   not null references numbers (id) on delete cascade,
    lid       text   not null,                          -- 900100200300@lid
    phone     text   not null,                          -- digits of E.164
    primary key (number_id, lid)
);
