-- The legacy triggers; their functions are the fixture's.
CREATE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION sync_contact_numbers();
CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION initialize_contact_preferences();
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION update_contact_methods();
