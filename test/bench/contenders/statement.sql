-- contact_sync as attach puts it on.
SELECT count(*) FROM contact_sync.attach('customers');
