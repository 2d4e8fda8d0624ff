-- What a number's page shows without walking through everything that was ever said: what happened to
-- the number itself, and its last messages. The same file stands for the other database.

create index events_of_number_itself on events (number_id, seq) where substr(kind, 1, 7) = 'number.';
create index messages_of_number on messages (number_id, created_at_ms, id);
