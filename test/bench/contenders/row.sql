-- contact_sync, attached with row-level triggers.
SELECT count(*) FROM contact_sync.attach('customers', level => 'row');
