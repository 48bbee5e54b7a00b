-- contact_sync's row triggers alone.
SELECT count(*) FROM contact_sync.attach('customers');
DROP TRIGGER trigger_initialize_contact_preferences_statement ON customers;
DROP TRIGGER trigger_update_contact_methods_statement ON customers;
