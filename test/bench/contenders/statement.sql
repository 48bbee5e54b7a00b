-- contact_sync as attach puts it on by default: with statement-level triggers.
SELECT count(*) FROM contact_sync.attach('customers');
